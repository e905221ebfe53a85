import type { Codec } from "../api/codec.ts";

/** Integers as C lays them out, little endian. 64 bits are bigint: a number would lose the high ones. */
export const u8: Codec<number> = {
  size: 1,
  encode: (value, view, at) => view.setUint8(at, value),
  decode: (view, at) => view.getUint8(at),
};

/** Unsigned 16 bit. */
export const u16: Codec<number> = {
  size: 2,
  encode: (value, view, at) => view.setUint16(at, value, true),
  decode: (view, at) => view.getUint16(at, true),
};

/** Unsigned 32 bit. */
export const u32: Codec<number> = {
  size: 4,
  encode: (value, view, at) => view.setUint32(at, value, true),
  decode: (view, at) => view.getUint32(at, true),
};

/** Unsigned 64 bit. */
export const u64: Codec<bigint> = {
  size: 8,
  encode: (value, view, at) => view.setBigUint64(at, value, true),
  decode: (view, at) => view.getBigUint64(at, true),
};

/** Signed 8 bit. */
export const i8: Codec<number> = {
  size: 1,
  encode: (value, view, at) => view.setInt8(at, value),
  decode: (view, at) => view.getInt8(at),
};

/** Signed 16 bit. */
export const i16: Codec<number> = {
  size: 2,
  encode: (value, view, at) => view.setInt16(at, value, true),
  decode: (view, at) => view.getInt16(at, true),
};

/** Signed 32 bit. */
export const i32: Codec<number> = {
  size: 4,
  encode: (value, view, at) => view.setInt32(at, value, true),
  decode: (view, at) => view.getInt32(at, true),
};

/** Signed 64 bit. */
export const i64: Codec<bigint> = {
  size: 8,
  encode: (value, view, at) => view.setBigInt64(at, value, true),
  decode: (view, at) => view.getBigInt64(at, true),
};

/** `float`. */
export const f32: Codec<number> = {
  size: 4,
  encode: (value, view, at) => view.setFloat32(at, value, true),
  decode: (view, at) => view.getFloat32(at, true),
};

/** `double`. */
export const f64: Codec<number> = {
  size: 8,
  encode: (value, view, at) => view.setFloat64(at, value, true),
  decode: (view, at) => view.getFloat64(at, true),
};

/** C's `_Bool`: one byte, 0 or 1. */
export const bool: Codec<boolean> = {
  size: 1,
  encode: (value, view, at) => view.setUint8(at, value ? 1 : 0),
  decode: (view, at) => view.getUint8(at) !== 0,
};

/** Exactly `size` bytes, copied. Encoding another length throws `RangeError`. */
export function bytes(size: number): Codec<Uint8Array> {
  return {
    size,
    encode: (value, view, at) => {
      if (value.length !== size) throw new RangeError(`${size} bytes wanted, not ${value.length}`);
      new Uint8Array(view.buffer, view.byteOffset + at, size).set(value);
    },
    decode: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, size).slice(),
  };
}

/** `length` values of one codec, one after the other. Encoding another length throws `RangeError`. */
export function array<T>(element: Codec<T>, length: number): Codec<readonly T[]> {
  return {
    size: element.size * length,
    encode: (value, view, at) => {
      if (value.length !== length) {
        throw new RangeError(`${length} elements wanted, not ${value.length}`);
      }
      for (const [i, one] of value.entries()) element.encode(one, view, at + i * element.size);
    },
    decode: (view, at) =>
      Array.from({ length }, (_, i) => element.decode(view, at + i * element.size)),
  };
}

/** One field of a struct: where it lies (bytes from the start) and how. */
export interface Field<T> {
  readonly offset: number;
  readonly codec: Codec<T>;
}

/** A field for `struct()`. */
export function at<T>(offset: number, codec: Codec<T>): Field<T> {
  return { offset, codec };
}

/** A C struct of `size` bytes. Padding is written as zero, so that it can be part of a map's key. */
export function struct<T extends object>(
  fields: { readonly [K in keyof T]-?: Field<T[K]> },
  size: number,
): Codec<T> {
  const names = Object.keys(fields) as (keyof T)[];
  return {
    size,
    encode: (value, view, start) => {
      new Uint8Array(view.buffer, view.byteOffset + start, size).fill(0);
      for (const name of names)
        fields[name].codec.encode(value[name], view, start + fields[name].offset);
    },
    decode: (view, start) => {
      const out: Partial<T> = {};
      for (const name of names)
        out[name] = fields[name].codec.decode(view, start + fields[name].offset);
      return out as T;
    },
  };
}

/** Key of an LPM trie: how many leading bits count, and the data (4 bytes for IPv4, 16 for IPv6…). */
export interface LpmKey {
  readonly prefixLength: number;
  readonly data: Uint8Array;
}

/** Codec of an LPM trie's key with `dataBytes` of data. */
export function lpmKey(dataBytes: number): Codec<LpmKey> {
  return struct<LpmKey>({ prefixLength: at(0, u32), data: at(4, bytes(dataBytes)) }, 4 + dataBytes);
}
