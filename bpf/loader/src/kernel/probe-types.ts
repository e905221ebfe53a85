/** A string section "\0int\0x\0" for probe types: offsets 1 and 5. */
const STRINGS = Buffer.from("\0int\0x\0");
const INT_TYPE = [1, 1 << 24, 4, (1 << 24) | 32];
const X = 5;
const STATIC_FUNC = 0;
const GLOBAL_FUNC = 1;

/** The smallest BTF that only a kernel with the feature takes. Words of types follow the int of id 1. */
const TYPES: Readonly<Record<string, readonly number[]>> = {
  // FUNC_PROTO void(int x); FUNC x
  "btf-functions": [0, (13 << 24) | 1, 0, X, 1, X, (12 << 24) | STATIC_FUNC, 2],
  "btf-global-functions": [0, (13 << 24) | 1, 0, X, 1, X, (12 << 24) | GLOBAL_FUNC, 2],
  // VAR static int x; DATASEC x
  "btf-sections": [X, 14 << 24, 1, 0, X, (15 << 24) | 1, 4, 2, 0, 4],
  "btf-float": [X, 16 << 24, 4],
  // VAR static int x; DECL_TAG x on it
  "btf-declaration-tags": [X, 14 << 24, 1, 0, X, 17 << 24, 2, 0xffffffff],
  // TYPE_TAG x of int; PTR to it
  "btf-type-tags": [X, 18 << 24, 1, 0, 2 << 24, 2],
  "btf-64-bit-enums": [0, (19 << 24) | 1, 8, X, 0, 0],
};

/** The BTF blob that probes a `btf-…` feature. */
export function probeBlob(feature: string): Uint8Array {
  const types = Uint32Array.from([...INT_TYPE, ...(TYPES[feature] ?? [])]);
  const header = new Uint8Array(24);
  const view = new DataView(header.buffer);
  view.setUint16(0, 0xeb9f, true);
  view.setUint8(2, 1);
  view.setUint32(4, 24, true);
  view.setUint32(12, types.byteLength, true);
  view.setUint32(16, types.byteLength, true);
  view.setUint32(20, STRINGS.length, true);
  return Buffer.concat([header, new Uint8Array(types.buffer), STRINGS]);
}
