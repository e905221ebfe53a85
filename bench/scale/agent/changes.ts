/** Endpoints that come and go in the folder that the simulator's control reads. */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { slice } from "../manifests.ts";
import type { Size } from "../world.ts";

/** Slices that are rewritten in turn. Each rewriting changes what its file says, as long as one of these does it. */
export class Changes {
  readonly #folder: string;
  readonly #size: Size;
  /** Of all rounds: one that began at 0 again would write what is there already, and nothing would be published. */
  #written = 0;

  constructor(folder: string, size: Size) {
    this.#folder = folder;
    this.#size = size;
  }

  /** How many slices have been rewritten so far. */
  get written(): number {
    return this.#written;
  }

  /** Does `work` while so many slices a second are rewritten. */
  async during<T>(perSecond: number, work: () => Promise<T>): Promise<T> {
    const timer = setInterval(() => this.next(), 1000 / perSecond);
    try {
      return await work();
    } finally {
      clearInterval(timer);
    }
  }

  /** Rewrites one slice: another of its endpoints is not ready now. */
  next(): void {
    const service = this.#written % this.#size.services;
    const unready = Math.floor(this.#written / this.#size.services) % 2 === 0 ? 3 : 4;
    put(this.#folder, `scale-slice-${service}.json`, slice(service, this.#size, unready));
    this.#written += 1;
  }
}

/** Writes a manifest so that control never sees half of it. */
export function put(folder: string, name: string, object: object): void {
  const draft = join(folder, `.${name}`);
  writeFileSync(draft, JSON.stringify(object));
  renameSync(draft, join(folder, name));
}
