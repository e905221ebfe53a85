/** Reads a bit field of up to 64 bits; `bitOffset` counts from the view's start, lowest bit of a byte first. */
export function readBits(view: DataView, bitOffset: number, bits: number, signed: boolean): bigint {
  let value = 0n;
  for (let i = 0; i < bits; i++) {
    const at = bitOffset + i;
    if ((view.getUint8(at >> 3) >> (at & 7)) & 1) value |= 1n << BigInt(i);
  }
  return signed ? BigInt.asIntN(bits, value) : value;
}

/** Writes a bit field; bits of `value` beyond `bits` are cut off, as C does. */
export function writeBits(view: DataView, bitOffset: number, bits: number, value: bigint): void {
  for (let i = 0; i < bits; i++) {
    const at = bitOffset + i;
    const mask = 1 << (at & 7);
    const byte = view.getUint8(at >> 3);
    const isSet = ((value >> BigInt(i)) & 1n) === 1n;
    view.setUint8(at >> 3, isSet ? byte | mask : byte & ~mask);
  }
}
