import type { VariableSpec } from "../api/spec.ts";
import type { ParsedMap, ParsedObject } from "../core/parsed.ts";
import { MAP_TYPE } from "../sys/constants.ts";
import { codecOf, emitStruct, typeOf } from "./emit-codec.ts";
import { camel, pascal, type Shape, ShapeReader, type StructShape } from "./shapes.ts";

/** What the user may ask for besides the object. */
export interface ModuleOptions {
  /** File name of the object, for the first comment. */
  readonly object: string;
  /** Fields of 64 bits that become numbers, `struct.field` as C spells them. */
  readonly numbers?: readonly string[];
}

/** A map's handle: its TypeScript type and the call that makes it from `handle`. */
interface Handle {
  readonly type: string;
  readonly make: string;
}

/** The whole text of an object's module. Throws `Error` on a wish for a number that names no 64-bit field. */
export function objectModule(object: ParsedObject, options: ModuleOptions): string {
  const reader = new ShapeReader(object.types);
  const handles = object.mapList.map((map) => [map.name, handleOf(map, object, reader)] as const);
  const programs = programParts(object);
  const wanted = new Set(options.numbers ?? []);
  const used = new Set<string>();
  const structs = reader.structs.map((struct) =>
    emitStruct(struct, (_, field) => {
      const name = `${struct.origin.replace(/^struct /, "")}.${field.property}`;
      const known = [...wanted].find((one) => spelled(one) === name);
      if (known === undefined || typeOf(field.shape, field.bits) !== "bigint") return false;
      used.add(known);
      return true;
    }),
  );
  for (const name of wanted)
    if (!used.has(name)) throw new Error(`${options.object}: no 64-bit field is called ${name}`);
  const body = [...structs, mapParts(handles), programs, variablePart(object, reader)].join("\n");
  return `${preamble(options.object, body)}\n${body}`;
}

/** `struct.some_field` with the field as the module names it. */
function spelled(wish: string): string {
  const [struct = "", field = ""] = wish.split(".");
  return `${struct}.${camel(field)}`;
}

function mapParts(handles: readonly (readonly [string, Handle])[]): string {
  const types = handles.map(([name, { type }]) => `  readonly ${property(name)}: ${type};\n`);
  const makes = handles.map(
    ([name, { make }]) =>
      `    ${property(name)}: ${make.replace("handle", `loaded.map(${JSON.stringify(name)})`)},\n`,
  );
  return `/** The object's maps, each with its types. */
export interface ObjectMaps {
${types.join("")}}

/** Puts the types on the maps of a loaded object. Throws \`TypeError\` when a map is laid out otherwise. */
export function objectMaps(loaded: { map(name: string): MapHandle }): ObjectMaps {
  return {
${makes.join("")}  };
}
`;
}

function programParts(object: ParsedObject): string {
  const programs = [...object.programs.values()].filter((program) => program.autoload);
  const types = programs.map(
    ({ name, section }) => `  /** \`${section}\` */\n  readonly ${property(name)}: Program;\n`,
  );
  const makes = programs.map(
    ({ name }) => `    ${property(name)}: loaded.program(${JSON.stringify(name)}),\n`,
  );
  return `/** The programs that load() loads without being asked. */
export interface ObjectPrograms {
${types.join("")}}

/** The programs of a loaded object by name. */
export function objectPrograms(loaded: { program(name: string): Program }): ObjectPrograms {
  return {
${makes.join("")}  };
}
`;
}

function variablePart(object: ParsedObject, reader: ShapeReader): string {
  const lines = object.variables.all.map((variable) => {
    const shape = shapeOf(variable.typeId, variable.size, variable.name, reader);
    const isScalar = shape.kind === "int" || shape.kind === "bool";
    return `  /** ${variable.section}, ${variable.size} bytes */
  readonly ${property(variable.name)}?: ${isScalar ? typeOf(shape) : "Uint8Array"};\n`;
  });
  return `/** What \`LoadOptions.variables\` may set. */
export type ObjectVariables = {
${lines.join("")}};
`;
}

/** `.rodata` and the like as one struct, so that variables can be read while the programs run. */
function sectionStruct(map: ParsedMap, object: ParsedObject, reader: ShapeReader): StructShape {
  const own = object.variables.all.filter(({ section }) => section === map.name);
  return reader.add({
    hint: pascal(`${map.name.slice(1)}_section`),
    origin: `${map.name}`,
    size: map.valueSize,
    fields: own.map((variable: VariableSpec) => ({
      property: camel(variable.name),
      offset: variable.offset,
      shape: shapeOf(variable.typeId, variable.size, variable.name, reader),
      bitOffset: variable.offset * 8,
      bits: 0,
    })),
  });
}

/** By type where there is one, else by size. */
function shapeOf(typeId: number, size: number, hint: string, reader: ShapeReader): Shape {
  if (typeId !== 0) return reader.read(typeId, hint);
  return size === 4 || size === 8 ? { kind: "int", size, signed: false } : { kind: "bytes", size };
}

function handleOf(map: ParsedMap, object: ParsedObject, reader: ShapeReader): Handle {
  if (map.internal) {
    const struct = sectionStruct(map, object, reader);
    return view("ArrayMap", "arrayMap", [{ kind: "struct", struct }]);
  }
  const key = () => shapeOf(map.keyTypeId, map.keySize, `${map.name}_key`, reader);
  const value = () => shapeOf(map.valueTypeId, map.valueSize, `${map.name}_value`, reader);
  switch (map.type) {
    case MAP_TYPE.hash:
    case MAP_TYPE.lruHash:
      return view("HashMap", "hashMap", [key(), value()]);
    case MAP_TYPE.lpmTrie:
      return view("HashMap", "prefixMap", [key(), value()]);
    case MAP_TYPE.array:
      return view("ArrayMap", "arrayMap", [value()]);
    case MAP_TYPE.perCpuHash:
    case MAP_TYPE.lruPerCpuHash:
      return view("PerCpuHashMap", "perCpuHashMap", [key(), value()]);
    case MAP_TYPE.perCpuArray:
      return view("PerCpuArrayMap", "perCpuArrayMap", [value()]);
    case MAP_TYPE.sockMap:
    case MAP_TYPE.sockHash:
      return view("SocketMap", "socketMap", [key()]);
    case MAP_TYPE.queue:
    case MAP_TYPE.stack:
      return view("QueueMap", "queueMap", [value()]);
    case MAP_TYPE.progArray:
    case MAP_TYPE.arrayOfMaps:
    case MAP_TYPE.hashOfMaps:
    case MAP_TYPE.cgroupArray:
      return view("DescriptorMap", "descriptorMap", [key()]);
    default:
      // A ring buffer's records have no type in the object: ringBuffer(handle, codec) is the user's.
      return { type: "MapHandle", make: "handle" };
  }
}

function view(type: string, make: string, shapes: readonly Shape[]): Handle {
  return {
    type: `${type}<${shapes.map((shape) => typeOf(shape)).join(", ")}>`,
    make: `${make}(${["handle", ...shapes.map(codecOf)].join(", ")})`,
  };
}

function property(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

const TYPE_NAMES =
  "ArrayMap Codec DescriptorMap HashMap MapHandle PerCpuArrayMap PerCpuHashMap Program QueueMap SocketMap";
const VALUE_NAMES =
  "array arrayMap bool bytes descriptorMap f32 f64 hashMap i16 i32 i64 i8 perCpuArrayMap perCpuHashMap " +
  "prefixMap queueMap readBits socketMap u16 u32 u64 u8 writeBits";

/** The comment and the imports that the body really uses. */
function preamble(object: string, body: string): string {
  const uses = (name: string, after: string) => new RegExp(`(?<![.\\w])${name}${after}`).test(body);
  const types = TYPE_NAMES.split(" ").filter((name) => uses(name, "\\b"));
  const values = VALUE_NAMES.split(" ").filter((name) => uses(name, "(?=[(),])"));
  const list = (names: readonly string[]) => names.map((name) => `  ${name},\n`).join("");
  const runtime =
    values.length === 0 ? "" : `import {\n${list(values)}} from "ebpf-loader-wasm";\n`;
  return `/**
 * Generated from ${object} by bpf-types: the types of its maps, variables and programs.
 * Change the C sources, rebuild the object, then run \`npm run gen\`.
 */

import type {
${list(types)}} from "ebpf-loader-wasm";
${runtime}`;
}
