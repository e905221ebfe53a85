import type { Host } from "./host.ts";

/** Owns a file descriptor: closed once, on dispose, and then refused instead of reused. */
export class Descriptor implements Disposable {
  readonly #host: Host;
  #fd: number;

  constructor(host: Host, fd: number) {
    this.#host = host;
    this.#fd = fd;
  }

  /** The number; throws when it is closed already. */
  get fd(): number {
    if (this.#fd < 0) throw new Error("the descriptor is closed");
    return this.#fd;
  }

  get isOpen(): boolean {
    return this.#fd >= 0;
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    this.#host.syscalls.close(this.#fd);
    this.#fd = -1;
  }
}
