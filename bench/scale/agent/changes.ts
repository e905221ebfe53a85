/** Endpoints that come and go in the folder that the simulator's control reads. */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { slice } from "../manifests.ts";
import type { Size } from "../world.ts";

/** What a rewriting does: another endpoint is not ready, which agents are told; or another remark, which they are not. */
export type Rewriting = "endpoint" | "remark";

/** Slices that are rewritten in turn. Each rewriting changes what its file says, as long as one of these does it. */
export class Changes {
  readonly #folder: string;
  readonly #size: Size;
  /** Of all rounds: one that began at 0 again would write what is there already, and nothing would be published. */
  #written = 0;
  /** The number of each Service's endpoint that is not ready, -1 for none. */
  readonly #unready: number[];

  constructor(folder: string, size: Size) {
    this.#folder = folder;
    this.#size = size;
    this.#unready = Array.from({ length: size.services }, () => -1);
  }

  /** How many slices have been rewritten so far. */
  get written(): number {
    return this.#written;
  }

  /** Does `work` while so many slices a second are rewritten. */
  async during<T>(perSecond: number, rewriting: Rewriting, work: () => Promise<T>): Promise<T> {
    const timer = setInterval(() => this.#next(rewriting), 1000 / perSecond);
    try {
      return await work();
    } finally {
      clearInterval(timer);
    }
  }

  #next(rewriting: Rewriting): void {
    const service = this.#written % this.#size.services;
    const before = this.#unready[service] ?? -1;
    const unready = rewriting === "remark" ? before : before === 3 ? 4 : 3;
    this.#unready[service] = unready;
    const object = slice(service, this.#size, unready, String(this.#written));
    put(this.#folder, `scale-slice-${service}.json`, object);
    this.#written += 1;
  }
}

/** Writes a manifest so that control never sees half of it. */
export function put(folder: string, name: string, object: object): void {
  const draft = join(folder, `.${name}`);
  writeFileSync(draft, JSON.stringify(object));
  renameSync(draft, join(folder, name));
}
