/** A stretch of linear memory: a name, a section's contents, a list of records. Owns nothing. */
export class Text {
  ptr: usize;
  len: u32;

  constructor(ptr: usize, len: u32) {
    this.ptr = ptr;
    this.len = len;
  }

  /** Byte at `i`, 0 beyond the end. */
  at(i: u32): u32 {
    return i < this.len ? load<u8>(this.ptr + i) : 0;
  }

  /** True when both hold the same bytes. */
  same(other: Text): bool {
    return this.len == other.len && memory.compare(this.ptr, other.ptr, this.len) == 0;
  }

  /** True when it is this ASCII literal. */
  is(literal: string): bool {
    return this.len == <u32>literal.length && this.starts(literal);
  }

  /** True when it begins with this ASCII literal. */
  starts(literal: string): bool {
    const n = <u32>literal.length;
    if (this.len < n) return false;
    for (let i: u32 = 0; i < n; i++) {
      if (load<u8>(this.ptr + i) != <u8>literal.charCodeAt(i)) return false;
    }
    return true;
  }

  /** What follows the first `n` bytes. */
  after(n: u32): Text {
    return n >= this.len ? new Text(this.ptr + this.len, 0) : new Text(this.ptr + n, this.len - n);
  }

  /** As a string, for messages; bytes outside printable ASCII become '?'; cut at 80. */
  show(): string {
    let out = "";
    const n = min<u32>(this.len, 80);
    for (let i: u32 = 0; i < n; i++) {
      const c = load<u8>(this.ptr + i);
      out += c >= 32 && c < 127 ? String.fromCharCode(c) : "?";
    }
    return out;
  }
}

/** The NUL-terminated text that starts at `ptr` and must end before `end`; empty when it does not. */
export function textUntilNul(ptr: usize, end: usize): Text {
  let p = ptr;
  while (p < end && load<u8>(p) != 0) p++;
  return p < end ? new Text(ptr, <u32>(p - ptr)) : new Text(ptr, 0);
}

/** An empty text. */
export function noText(): Text {
  return new Text(0, 0);
}
