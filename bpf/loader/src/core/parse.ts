import type { CollectionSpec, MapSlot, MapSpec, VariableSpec } from "../api/spec.ts";
import { InvalidObject } from "../errors.ts";
import { Core } from "./core.ts";
import {
  type Extern,
  type MapKind,
  type ParsedMap,
  ParsedObject,
  type ParsedProgram,
  type Reference,
  type StructOps,
} from "./parsed.ts";
import type { TapeReader } from "./tape.ts";
import { readTypes } from "./types.ts";
import { VariableTable } from "./variables.ts";

let shared: Core | undefined;
/** A parser that a huge object made this big is dropped. */
const MAX_KEPT_BYTES = 64 * 1024 * 1024;

/**
 * Reads an eBPF object file (ELF64, little endian, `clang -target bpfel -g`). Pure: no system call,
 * the same answer on every machine. Throws `InvalidObject`.
 */
export function parse(bytes: Uint8Array): CollectionSpec {
  return parseObject(bytes);
}

/** `parse` with what only the loader may see. */
export function parseObject(bytes: Uint8Array): ParsedObject {
  shared ??= new Core();
  shared.reset();
  const core = shared;
  // Until it has answered, it may be broken: a trap or a refused allocation must not poison the next call.
  shared = undefined;
  try {
    const parsed = readObject(core.parseObject(bytes));
    if (core.memoryBytes <= MAX_KEPT_BYTES) shared = core;
    return parsed;
  } catch (error) {
    if (error instanceof InvalidObject) shared = core;
    throw error;
  }
}

function readObject(tape: TapeReader): ParsedObject {
  const license = tape.text();
  const version = tape.u32();
  const types = readTypes(tape);
  const mapList = tape.list(() => readMap(tape));
  const variables = readVariables(tape, mapList);
  const data = new Map<string, Uint8Array>();
  for (const map of mapList) if (map.data !== undefined) data.set(map.name, map.data);
  return new ParsedObject({
    license,
    version,
    types,
    mapList,
    variables: new VariableTable(variables, types, data),
    externs: tape.list(() => readExtern(tape)),
    structOps: tape.list(() => readStructOps(tape)),
    programs: tape.list(() => readProgram(tape)),
    btf: tape.bytes(),
  });
}

const MAP_KINDS: readonly MapKind[] = ["user", "data", "rodata", "bss", "kconfig"];

type MapFields = Omit<ParsedMap, "inner" | "slots" | "data" | "mappable">;

function readMapFields(tape: TapeReader): MapFields {
  const name = tape.text();
  const kind = MAP_KINDS[tape.u32()] ?? "user";
  return {
    name,
    kind,
    internal: kind !== "user",
    type: tape.u32(),
    keySize: tape.u32(),
    valueSize: tape.u32(),
    maxEntries: tape.u32(),
    flags: tape.u32(),
    numaNode: tape.u32(),
    extra: tape.u64(),
    pinByName: tape.u32() === 1,
    keyTypeId: tape.u32(),
    valueTypeId: tape.u32(),
  };
}

function readMap(tape: TapeReader): ParsedMap {
  const fields = readMapFields(tape);
  const hasInner = tape.u32() === 1;
  const innerFields = hasInner ? readMapFields(tape) : undefined;
  const slots = tape.list((): MapSlot => ({ index: tape.u32(), target: tape.text() }));
  const bytes = tape.bytes();
  const mappable = tape.u32() === 1;
  return {
    ...fields,
    slots,
    mappable,
    ...(innerFields === undefined ? {} : { inner: innerSpec(innerFields) }),
    ...(fields.internal ? { data: contents(bytes, fields.valueSize) } : {}),
  };
}

function innerSpec(fields: MapFields): MapSpec {
  return { ...fields, slots: [] };
}

/** `.bss` and `.kconfig` have no bytes in the file. */
function contents(bytes: Uint8Array, size: number): Uint8Array {
  if (bytes.length === size) return bytes;
  const whole = new Uint8Array(size);
  whole.set(bytes.subarray(0, size));
  return whole;
}

function readVariables(tape: TapeReader, maps: readonly ParsedMap[]): VariableSpec[] {
  const sectionOf = (index: number) => maps[index]?.name ?? "";
  return tape.list(() => {
    const section = sectionOf(tape.u32());
    return { section, name: tape.text(), offset: tape.u32(), size: tape.u32(), typeId: tape.u32() };
  });
}

function readExtern(tape: TapeReader): Extern {
  const name = tape.text();
  const flags = tape.u32();
  return {
    name,
    weak: (flags & 1) !== 0,
    isFunction: (flags & 2) !== 0,
    isKconfig: (flags & 4) !== 0,
    typeId: tape.u32(),
    valueType: tape.u32(),
    size: tape.u32(),
    offset: tape.u32(),
  };
}

function readStructOps(tape: TapeReader): StructOps {
  return {
    name: tape.text(),
    section: tape.text(),
    typeId: tape.u32(),
    data: tape.bytes(),
    programs: tape.list(() => ({ offset: tape.u32(), program: tape.text() })),
  };
}

const REFERENCE_KINDS: readonly Reference["kind"][] = [
  "map",
  "map",
  "data",
  "extern",
  "extern-call",
];

function readProgram(tape: TapeReader): ParsedProgram {
  const name = tape.text();
  const section = tape.text();
  const optional = section.startsWith("?");
  return {
    name,
    section: optional ? section.slice(1) : section,
    autoload: !optional,
    instructions: tape.bytes(),
    references: tape.list(() => ({
      instruction: tape.u32(),
      kind: REFERENCE_KINDS[tape.u32()] ?? "map",
      index: tape.u32(),
      offset: tape.u32(),
    })),
    coreRecords: readWords(tape, 4),
    functionInfo: readWords(tape, 2),
    lineInfo: readWords(tape, 4),
  };
}

function readWords(tape: TapeReader, perRecord: number): Uint32Array {
  const words = new Uint32Array(tape.u32() * perRecord);
  for (let i = 0; i < words.length; i++) words[i] = tape.u32();
  return words;
}
