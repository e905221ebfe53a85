/** How a value of type T lies in the kernel's memory: fixed size, little endian, C layout. */
export interface Codec<T> {
  /** Size in bytes, padding included. */
  readonly size: number;
  /** Writes `value` at `offset` of `view`, padding bytes as zero. */
  encode(value: T, view: DataView, offset: number): void;
  /** Reads a value at `offset` of `view`; the result shares no memory with the view. */
  decode(view: DataView, offset: number): T;
}
