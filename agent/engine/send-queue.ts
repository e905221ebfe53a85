/**
 * Bytes that the kernel did not take yet. They are copied into chunks of one size from a pool per worker,
 * so that slow readers cost neither garbage nor surprises: every chunk in use is held by its owner, and
 * counted against the worker's and the owner's limit.
 */

import type { Owner } from "./owner.ts";
import type { System } from "./system.ts";
import { Segments } from "./system.ts";

/** Bytes per chunk: small enough for many stalled readers, large enough that eight fill a writev of 128 KiB. */
export const CHUNK_BYTES: number = 16 * 1024;

/** Chunks are cut from slabs of this size, so that few buffers' addresses have to be known. */
const SLAB_BYTES = 1024 * 1024;

class Chunk {
  readonly bytes: Uint8Array;
  start = 0;
  end = 0;
  next: Chunk | undefined = undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

/** A worker's chunks. */
export class ChunkPool {
  readonly #segments: Segments = new Segments();
  #free: Chunk | undefined = undefined;
  #usedBytes = 0;
  #slabBytes = 0;

  /** Bytes of the chunks in use. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Bytes of memory held for chunks, used or free. */
  get heldBytes(): number {
    return this.#slabBytes;
  }

  /** The vector that every queue of this worker fills for its writev. */
  get segments(): Segments {
    return this.#segments;
  }

  /** A chunk on the owner's account; undefined when that would go over a limit. */
  take(owner: Owner): Chunk | undefined {
    if (!owner.hold(CHUNK_BYTES)) return undefined;
    if (this.#free === undefined) this.#cutSlab();
    const chunk = this.#free as Chunk;
    this.#free = chunk.next;
    chunk.next = undefined;
    this.#usedBytes += CHUNK_BYTES;
    return chunk;
  }

  /** Takes a chunk back. */
  give(chunk: Chunk, owner: Owner): void {
    chunk.start = 0;
    chunk.end = 0;
    chunk.next = this.#free;
    this.#free = chunk;
    this.#usedBytes -= CHUNK_BYTES;
    owner.release(CHUNK_BYTES);
  }

  #cutSlab(): void {
    const slab = new Uint8Array(SLAB_BYTES);
    this.#slabBytes += SLAB_BYTES;
    for (let at = 0; at < SLAB_BYTES; at += CHUNK_BYTES) {
      const chunk = new Chunk(slab.subarray(at, at + CHUNK_BYTES));
      chunk.next = this.#free;
      this.#free = chunk;
    }
  }
}

/** One channel's unsent bytes, first in first out. */
export class SendQueue {
  readonly #pool: ChunkPool;
  readonly #owner: Owner;
  #head: Chunk | undefined = undefined;
  #tail: Chunk | undefined = undefined;
  #length = 0;
  /** How many bytes the last flush() offered to the kernel. */
  offered: number = 0;

  constructor(pool: ChunkPool, owner: Owner) {
    this.#pool = pool;
    this.#owner = owner;
  }

  /** Bytes waiting. */
  get length(): number {
    return this.#length;
  }

  /** Copies bytes `[start, end)` to the end; false when a memory limit forbids it (the queue is then incomplete). */
  push(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start;
    while (at < end) {
      const chunk = this.#room();
      if (chunk === undefined) return false;
      const n = Math.min(end - at, CHUNK_BYTES - chunk.end);
      chunk.bytes.set(bytes.subarray(at, at + n), chunk.end);
      chunk.end += n;
      at += n;
      this.#length += n;
    }
    return true;
  }

  /** One writev of what waits, up to eight chunks. Returns the bytes sent or the negative errno. */
  flush(system: System, fd: number): number {
    const segments = this.#pool.segments;
    segments.count = 0;
    this.offered = 0;
    for (let c = this.#head; c !== undefined && segments.count < Segments.MAX; c = c.next) {
      segments.add(c.bytes, c.start, c.end);
      this.offered += c.end - c.start;
    }
    const sent = system.writev(fd, segments);
    if (sent > 0) this.#drop(sent);
    return sent;
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.#drop(this.#length);
  }

  #room(): Chunk | undefined {
    const tail = this.#tail;
    if (tail !== undefined && tail.end < CHUNK_BYTES) return tail;
    const chunk = this.#pool.take(this.#owner);
    if (chunk === undefined) return undefined;
    if (tail === undefined) this.#head = chunk;
    else tail.next = chunk;
    this.#tail = chunk;
    return chunk;
  }

  #drop(bytes: number): void {
    this.#length -= bytes;
    let left = bytes;
    while (left > 0) {
      const chunk = this.#head as Chunk;
      const n = Math.min(left, chunk.end - chunk.start);
      chunk.start += n;
      left -= n;
      if (chunk.start < chunk.end) return;
      this.#head = chunk.next;
      if (this.#head === undefined) this.#tail = undefined;
      this.#pool.give(chunk, this.#owner);
    }
  }
}
