/** A worker's listener of one pod, which can move to another socket without losing a handshake. */

import { type Listener, type ListenHandler, listen } from "../engine/listen.ts";
import type { Loop } from "../engine/loop.ts";
import { Timer } from "../engine/timers.ts";

/** How long the former socket is accepted from: any handshake under way ends in that time, or is tried again. */
export const HANDOVER_MS = 1000;

/** See the file's head. */
export class MovableListener {
  readonly #loop: Loop;
  readonly #owner: number;
  readonly #handler: ListenHandler;
  /** Those that it has moved away from a moment ago, and when each of them closes. */
  readonly #former: Map<Listener, Timer> = new Map();
  #current: Listener;

  /** Accepts from `fd`, which it owns from now on, for an owner of the loop. Throws when epoll refuses it. */
  constructor(
    loop: Loop,
    { fd, owner }: { readonly fd: number; readonly owner: number },
    handler: ListenHandler,
  ) {
    this.#loop = loop;
    this.#owner = owner;
    this.#handler = handler;
    this.#current = this.#listen(fd);
  }

  /**
   * Accepts from another socket, which it owns from now on, and for a moment still from the former one. When epoll
   * refuses it: throws, and all is as before.
   */
  move(fd: number): void {
    const next = this.#listen(fd);
    const former = this.#current;
    const timer = new Timer({ onTimer: () => this.#end(former) });
    this.#former.set(former, timer);
    this.#loop.arm(timer, HANDOVER_MS);
    this.#current = next;
  }

  /** Stops accepting from all of them; accepted channels go on. */
  close(): void {
    for (const former of [...this.#former.keys()]) this.#end(former);
    this.#current.close();
  }

  #listen(fd: number): Listener {
    return listen(this.#loop, { fd, owner: this.#loop.owner(this.#owner) }, this.#handler);
  }

  #end(former: Listener): void {
    const timer = this.#former.get(former);
    if (timer !== undefined) this.#loop.cancel(timer);
    this.#former.delete(former);
    former.close();
  }
}
