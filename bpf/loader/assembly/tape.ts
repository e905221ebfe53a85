import { Text } from "./text";

/**
 * An answer to the host: little-endian u32 words and length-prefixed bytes, one after the other, with no tags:
 * writer (here) and reader (src/core/) agree on the order. Grows by doubling.
 */
export class Tape {
  private ptr: usize = heap.alloc(1024);
  private len: u32 = 4;
  private cap: u32 = 1024;

  private room(more: u32): usize {
    const need = this.len + more;
    if (need > this.cap) {
      let cap = this.cap;
      while (cap < need) cap *= 2;
      this.ptr = heap.realloc(this.ptr, cap);
      this.cap = cap;
    }
    const at = this.ptr + this.len;
    this.len = need;
    return at;
  }

  u32(value: u32): void {
    store<u32>(this.room(4), value);
  }

  u64(value: u64): void {
    store<u64>(this.room(8), value);
  }

  /** Length, then the bytes. */
  bytes(ptr: usize, len: u32): void {
    this.u32(len);
    memory.copy(this.room(len), ptr, len);
  }

  text(value: Text): void {
    this.bytes(value.ptr, value.len);
  }

  /** A literal or message, ASCII. */
  words(value: string): void {
    const n = <u32>value.length;
    this.u32(n);
    const at = this.room(n);
    for (let i: u32 = 0; i < n; i++) store<u8>(at + i, <u8>value.charCodeAt(i));
  }

  /** Where the next word will lie, for `patch`. */
  here(): u32 {
    return this.len;
  }

  /** Overwrites a word written before, such as a count. */
  patch(at: u32, value: u32): void {
    store<u32>(this.ptr + at, value);
  }

  /** Address of the answer: its length in bytes as u32, then the words. */
  start(): usize {
    store<u32>(this.ptr, this.len - 4);
    return this.ptr;
  }
}
