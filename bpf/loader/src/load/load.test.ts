/** From object bytes to kernel objects: what is refused and in which words, variables, pins. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { objectMaps } from "../../test/fixtures/kinds.gen.ts";
import { fixture, PinLab } from "../../test/lab.ts";
import { parse, parseObject } from "../core/parse.ts";
import {
  InvalidObject,
  MissingPinDirectory,
  PinMismatch,
  UnknownName,
  ValueOutOfRange,
  VerifierError,
} from "../errors.ts";
import { openPinnedProgram } from "./kernel-program.ts";
import { load } from "./load.ts";

const kinds = parse(fixture("kinds"));

/** The bytes with some replaced. */
function patched(offset: number, ...bytes: number[]): Uint8Array {
  const copy = Uint8Array.from(fixture("kinds"));
  copy.set(bytes, offset);
  return copy;
}

function refusal(bytes: Uint8Array): string {
  try {
    parse(bytes);
  } catch (error) {
    assert.ok(error instanceof InvalidObject, String(error));
    return error.message;
  }
  throw new assert.AssertionError({ message: "it was accepted" });
}

test("what is no usable object is refused with the reason", () => {
  const EI_DATA = 5;
  assert.match(refusal(new Uint8Array(0)), /^not an ELF file$/);
  assert.match(refusal(new TextEncoder().encode("#!/bin/sh\n".repeat(20))), /ELF/);
  assert.match(refusal(patched(EI_DATA, 2)), /endian/);
  assert.match(refusal(fixture("legacy")), /^legacy map definitions \(section "maps"\)/);
});

test("a file cut anywhere is refused or read, never trapped on", () => {
  const whole = fixture("kinds");
  let refused = 0;
  for (let length = 0; length < whole.length; length += 97) {
    try {
      parse(whole.subarray(0, length));
    } catch (error) {
      assert.ok(error instanceof InvalidObject, `${length} bytes: ${error}`);
      refused++;
    }
  }
  assert.ok(refused > 10);
});

test("variables are set by name within their types", () => {
  const { variables } = parse(fixture("kinds"));
  variables.set("negative", -32768);
  assert.deepEqual([...variables.bytes("negative")], [0, 0x80]);
  variables.set("verbose", true);
  assert.deepEqual([...variables.bytes("verbose")], [1]);
  assert.throws(() => variables.set("small", 256), ValueOutOfRange);
  assert.throws(() => variables.set("verbose", 2), ValueOutOfRange);
  assert.throws(() => variables.set("small", Uint8Array.of(1, 2)), /has 1 bytes, not 2/);
  assert.throws(() => variables.set("smal", 1), UnknownName);
});

test("a load's variables reach the kernel and leave the spec alone", () => {
  using pins = new PinLab();
  const options = { pinDirectory: pins.path, programs: [] };
  using loaded = load(kinds, { ...options, variables: { only_pid: 77, last: -5, seen: 9n } });
  const maps = objectMaps(loaded);
  assert.equal(maps[".rodata"].get(0).onlyPid, 77);
  assert.equal(maps[".rodata"].get(0).small, 1);
  assert.equal(maps[".bss"].get(0).seen, 9n);
  assert.equal(maps[".data"].get(0).last, -5);
  assert.deepEqual([...kinds.variables.bytes("only_pid")], [0, 0, 0, 0]);
});

test("a field that the kernel lacks is poison only where it can run", () => {
  using pins = new PinLab();
  const options = { pinDirectory: pins.path, programs: ["poisoned"] };
  using loaded = load(kinds, options);
  assert.equal(loaded.program("poisoned").tag.length, 16);
  assert.throws(
    () => load(kinds, { ...options, variables: { verbose: true } }),
    (error: unknown) => error instanceof VerifierError && /195896080/.test(error.log),
  );
});

test("a refused program is explained in one line", () => {
  using pins = new PinLab();
  const options = { pinDirectory: pins.path, programs: ["careless"] };
  assert.throws(
    () => load(kinds, options),
    (error: unknown) => {
      assert.ok(error instanceof VerifierError);
      assert.match(
        error.message,
        /^program "careless" refused at instruction \d+ \(.*kinds\.bpf\.c:\d+: return \*value == 7;\): R\d invalid mem access 'map_value_or_null' \[\d+ lines of log in \.log\]$/,
      );
      assert.equal(error.code, "EACCES");
      assert.ok(!error.message.includes("\n"));
      return true;
    },
  );
});

test("a map pinned by name is shared, and one of another definition refused", () => {
  using pins = new PinLab();
  assert.throws(() => load(kinds, { programs: [] }), MissingPinDirectory);
  const options = { pinDirectory: pins.path, programs: [] };
  using first = load(kinds, options);
  objectMaps(first).shared.set(3, 33);
  using second = load(kinds, options);
  assert.equal(objectMaps(second).shared.get(3), 33);
  assert.equal(second.map("shared").id, first.map("shared").id);
  assert.throws(
    () => load(kinds, { ...options, maxEntries: { shared: 9 } }),
    (error: unknown) =>
      error instanceof PinMismatch && /8/.test(error.message) && /9/.test(error.message),
  );
});

test("a pinned program is opened again, with its tag checked", () => {
  using pins = new PinLab();
  using loaded = load(kinds, { pinDirectory: pins.path, programs: ["connect4", "refuse4"] });
  const path = join(pins.path, "program");
  loaded.program("connect4").pin(path);
  const { tag, id } = loaded.program("connect4");
  using again = openPinnedProgram(path, tag);
  assert.equal(again?.id, id);
  assert.throws(() => openPinnedProgram(path, loaded.program("refuse4").tag), /has tag/);
  assert.equal(openPinnedProgram(join(pins.path, "nothing")), undefined);
});

test("names that the object lacks are refused with those it has", () => {
  assert.throws(() => load(kinds, { programs: ["conect4"] }), /no program "conect4".*connect4/);
  assert.ok(parseObject(fixture("kinds")).programs.has("connect4"));
});
