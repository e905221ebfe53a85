import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { RodataSectionCodec, type Shapes, ShapesCodec } from "../../test/fixtures/shapes.gen.ts";
import { parseObject } from "../core/parse.ts";
import { objectModule } from "./object-module.ts";
import { camel, pascal, ShapeReader } from "./shapes.ts";

const FIXTURE = join(import.meta.dirname, "../../test/fixtures/shapes.bpf.o");
const object = parseObject(readFileSync(FIXTURE));

const bytesOf = (size: number) => fc.uint8Array({ minLength: size, maxLength: size });
const int = (bits: number, signed: boolean) =>
  signed
    ? fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
    : fc.integer({ min: 0, max: 2 ** bits - 1 });
const many = <T>(one: fc.Arbitrary<T>, length: number) =>
  fc.array(one, { minLength: length, maxLength: length });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const inner = fc.record({ port: int(16, false), name: bytesOf(6) }, { noNullPrototype: true });

const shapes: fc.Arbitrary<Shapes> = fc.record(
  {
    i8_: int(8, true),
    u8_: int(8, false),
    i16_: int(16, true),
    u16_: int(16, false),
    i32_: int(32, true),
    u32_: int(32, false),
    i64_: i64,
    u64_: u64,
    flag: fc.boolean(),
    color: int(32, false),
    big: u64,
    inner,
    two: many(inner, 2),
    words: many(int(32, false), 4),
    many: many(u64, 20),
    grid: many(many(int(16, false), 3), 2),
    either: bytesOf(12),
    nameless: fc.record({ low: int(16, true), high: i64 }, { noNullPrototype: true }),
    firstHalf: int(32, false),
    secondHalf: int(16, false),
    lowBits: int(3, false),
    signedBits: int(5, true),
    highBits: fc.bigInt({ min: 0n, max: 2n ** 40n - 1n }),
    pointer: u64,
    last: int(8, false),
  },
  { noNullPrototype: true },
);

test("what a generated codec writes it reads back, at any place and whatever lay there", () => {
  fc.assert(
    fc.property(shapes, fc.nat(9), fc.nat(255), (value, place, dirt) => {
      const bytes = new Uint8Array(ShapesCodec.size + 16).fill(dirt);
      const view = new DataView(bytes.buffer);
      ShapesCodec.encode(value, view, place);
      assert.deepEqual(ShapesCodec.decode(view, place), value);
      const around = [...bytes.subarray(0, place), ...bytes.subarray(place + ShapesCodec.size)];
      assert.ok(around.every((byte) => byte === dirt));
    }),
  );
});

test("padding is zero, so that equal values are equal keys", () => {
  fc.assert(
    fc.property(shapes, (value) => {
      const [clean, dirty] = [0, 0xff].map((fill) => {
        const bytes = new Uint8Array(ShapesCodec.size).fill(fill);
        ShapesCodec.encode(value, new DataView(bytes.buffer), 0);
        return bytes;
      });
      assert.deepEqual(clean, dirty);
    }),
  );
});

test("sizes and offsets are those that clang's offsetof gave", () => {
  const map = object.maps.get("shapes");
  assert.ok(map !== undefined);
  const shape = new ShapeReader(object.types).read(map.valueTypeId, "value");
  assert.ok(shape.kind === "struct");
  const words = new Uint32Array(object.variables.bytes("layout").slice().buffer);
  const own = shape.struct.fields.filter(({ bits }) => bits === 0).map(({ offset }) => offset);
  assert.deepEqual([shape.struct.size, ...own], [...words]);
  assert.equal(ShapesCodec.size, words[0]);
});

test("a struct that clang filled is read field by field and written back byte for byte", () => {
  const bytes = object.variables.bytes("sample");
  const view = new DataView(bytes.buffer);
  const value = ShapesCodec.decode(view, 0);
  assert.deepEqual(
    { ...value, many: value.many.slice(18), either: [...value.either] },
    {
      ...{ i8_: -1, u8_: 200, i16_: -300, u16_: 60000, i32_: -70000, u32_: 4000000000 },
      ...{ i64_: -5000000000n, u64_: 18000000000000000000n, flag: true, color: 7 },
      big: 0x100000000n,
      inner: { port: 80, name: Uint8Array.of(1, 2, 3, 4, 5, 6) },
      two: [1, 2].map((port) => ({ port, name: new Uint8Array(6) })),
      words: [1, 2, 3, 4],
      many: [0n, 19n],
      grid: [
        [1, 2, 3],
        [4, 5, 6],
      ],
      either: [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0],
      nameless: { low: -2, high: -3n },
      ...{ firstHalf: 11, secondHalf: 12, lowBits: 5, signedBits: -7, highBits: 0x9876543210n },
      ...{ pointer: 0n, last: 255 },
    },
  );
  const again = new Uint8Array(bytes.length).fill(0xaa);
  ShapesCodec.encode(value, new DataView(again.buffer), 0);
  assert.deepEqual(again, bytes);
});

test("a data section is a struct of its variables", () => {
  const section = object.variables.all.find(({ name }) => name === "sample");
  assert.ok(section !== undefined);
  const bytes = new Uint8Array(RodataSectionCodec.size);
  bytes.set(object.variables.bytes("sample"), section.offset);
  const { sample } = RodataSectionCodec.decode(new DataView(bytes.buffer), 0);
  assert.equal(sample.u32_, 4000000000);
});

test("an array of another length is refused", () => {
  const view = new DataView(new ArrayBuffer(ShapesCodec.size));
  const value = { ...ShapesCodec.decode(view, 0), words: [1, 2, 3] };
  assert.throws(() => ShapesCodec.encode(value, view, 0), /4 elements wanted, not 3/);
});

test("a 64-bit field becomes a number on demand, and a wish that names none is refused", () => {
  const options = { object: "shapes.bpf.o", numbers: ["shapes.u64_"] };
  const text = objectModule(object, options);
  assert.match(text, /readonly u64_: number;/);
  assert.match(text, /u64_: Number\(view\.getBigUint64\(/);
  assert.match(text, /readonly i64_: bigint;/);
  const wrong = { object: "shapes.bpf.o", numbers: ["shapes.u32_"] };
  assert.throws(() => objectModule(object, wrong), /no 64-bit field is called shapes\.u32_/);
});

test("names become TypeScript's", () => {
  assert.deepEqual(["prefix_length", "a__b", "u64_", "x"].map(camel), [
    "prefixLength",
    "aB",
    "u64_",
    "x",
  ]);
  assert.deepEqual(["port_key", "_hidden", "rodata.str1_section"].map(pascal), [
    "PortKey",
    "Hidden",
    "RodataStr1Section",
  ]);
});
