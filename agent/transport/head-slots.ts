/**
 * Memory for requests on their way: a request is kept until it is answered or may not be sent again. One
 * piece of memory for all requests of a worker, so nothing is allocated per request or connection, and pages
 * that were never needed are never resident.
 */

/** A request head with a short body nearly always fits; what does not is kept elsewhere. */
const SLOT_BYTES = 2048;
/** Requests in flight that get a slot; 2 MiB in all. */
const SLOTS = 1024;

/** The slots of one worker. */
export class HeadSlots {
  readonly #memory: ArrayBuffer = new ArrayBuffer(SLOT_BYTES * SLOTS);
  readonly #free: Uint8Array[] = [];
  /** Given back in this turn: bytes of them may still have to be sent (Channel.writeSoon). */
  readonly #resting: Uint8Array[] = [];
  #made = 0;

  /** How many are out. */
  get taken(): number {
    return this.#made - this.#free.length - this.#resting.length;
  }

  /** Memory of at least `bytes`, the one given back last; undefined when that is more than a slot or all are taken. */
  take(bytes: number): Uint8Array | undefined {
    if (bytes > SLOT_BYTES) return undefined;
    return this.#free.pop() ?? this.#make();
  }

  /** Gives a slot back. Its bytes stay as they are until recycle(). */
  give(slot: Uint8Array): void {
    this.#resting.push(slot);
  }

  /** The turn is over: what was given back may be taken. */
  recycle(): void {
    for (let slot = this.#resting.pop(); slot !== undefined; slot = this.#resting.pop())
      this.#free.push(slot);
  }

  #make(): Uint8Array | undefined {
    if (this.#made === SLOTS) return undefined;
    return new Uint8Array(this.#memory, this.#made++ * SLOT_BYTES, SLOT_BYTES);
  }
}
