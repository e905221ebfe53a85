/** What a test tells test/netns/peers/libc-driver.ts, and what it answers. */

/** A word, memory with these bytes (base64), or zeroed memory of that many bytes; memory comes back in `rooms`. */
export type LibcArgument = number | { readonly bytes: string } | { readonly room: number };

/** One call by its C name. */
export interface LibcCall {
  readonly name: string;
  readonly args: readonly LibcArgument[];
}

/** What came of it. */
export interface LibcResult {
  readonly result: number;
  /** 0 unless the result is below 0. */
  readonly errno: number;
  /** The memory of the call after it, in the order of the arguments (base64). */
  readonly rooms: readonly string[];
}
