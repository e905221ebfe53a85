/**
 * src/generate turns an object file's types into a TypeScript module (`bpf-types`): the C structs of its maps and
 * variables with straight-line codecs, one typed handle per map, programs and variables by name. Pure but for
 * main.ts. It may import core and api; it must never ask the kernel, so that it gives the same text everywhere.
 */

import { KIND, type TypeInfo, type TypeMember, type TypeTable } from "../core/types.ts";

/** How a C value appears in TypeScript. Sizes are bytes. */
export type Shape =
  | { readonly kind: "int"; readonly size: number; readonly signed: boolean }
  | { readonly kind: "bool" }
  | { readonly kind: "float"; readonly size: number }
  /** Unions, 128-bit integers, arrays of bytes: the user gets the bytes. */
  | { readonly kind: "bytes"; readonly size: number }
  | { readonly kind: "array"; readonly element: Shape; readonly length: number }
  | { readonly kind: "struct"; readonly struct: StructShape };

/** A C struct with a name of its own in the module. */
export interface StructShape {
  /** TypeScript name. */
  readonly name: string;
  /** As C has it, for the comment. */
  readonly origin: string;
  readonly size: number;
  readonly fields: readonly FieldShape[];
}

/** One field; `bits` = it is a bit field of that many bits, `bitOffset` from the struct's start. */
export interface FieldShape {
  readonly property: string;
  readonly offset: number;
  readonly shape: Shape;
  readonly bitOffset: number;
  readonly bits: number;
}

/** Fields whose names say that they hold nothing: always written as zero and never shown. */
const PADDING = /^(?:_*(?:reserved|padding|pad|unused)\d*|_.*)$/;
const INT_SIGNED = 1;
const INT_CHAR = 2;
const INT_BOOL = 4;
/** Names a module already uses. */
const TAKEN: ReadonlySet<string> = new Set(
  (
    "Array ArrayMap Codec DataView DescriptorMap HashMap Map MapHandle Number Object ObjectMaps ObjectPrograms " +
    "ObjectVariables PerCpuArrayMap PerCpuHashMap Program QueueMap RingBuffer SocketMap String Uint8Array"
  ).split(" "),
);

/** Turns types of one object into shapes, naming each struct once. */
export class ShapeReader {
  readonly #types: TypeTable;
  readonly #structs = new Map<number, StructShape>();
  readonly #names = new Set<string>(TAKEN);

  constructor(types: TypeTable) {
    this.#types = types;
  }

  /** Every struct met so far, inner ones before those that hold them. */
  get structs(): readonly StructShape[] {
    return [...this.#structs.values()];
  }

  /** The shape of a type; `hint` names a struct that has no name. */
  read(id: number, hint: string): Shape {
    const type = this.#types.resolve(id);
    switch (type.kind) {
      case KIND.int:
        return intShape(type);
      case KIND.pointer:
        return { kind: "int", size: 8, signed: false };
      case KIND.enum:
      case KIND.enum64:
        return { kind: "int", size: type.ref, signed: type.flag };
      case KIND.float:
        return type.ref === 4 || type.ref === 8
          ? { kind: "float", size: type.ref }
          : { kind: "bytes", size: type.ref };
      case KIND.array:
        return this.#array(type, hint);
      case KIND.struct:
        return { kind: "struct", struct: this.#struct(id, type, hint) };
      default:
        return { kind: "bytes", size: this.#types.sizeOf(id) };
    }
  }

  /** A struct that C does not have, such as a data section. */
  add(struct: Omit<StructShape, "name"> & { readonly hint: string }): StructShape {
    const { hint, ...rest } = struct;
    const named = { ...rest, name: this.#freshName(hint) };
    this.#structs.set(-1 - this.#structs.size, named);
    return named;
  }

  #array(type: TypeInfo, hint: string): Shape {
    const length = type.words[2] ?? 0;
    const element = this.read(type.words[0] ?? 0, hint);
    if (element.kind === "int" && element.size === 1) return { kind: "bytes", size: length };
    return { kind: "array", element, length };
  }

  #struct(id: number, type: TypeInfo, hint: string): StructShape {
    const key = this.#structId(id);
    const known = this.#structs.get(key);
    if (known !== undefined) return known;
    const name = type.name === "" ? this.#typedefName(id) || hint : type.name;
    const fields = this.#fields(type.members, name, 0);
    const struct = {
      name: this.#freshName(pascal(name)),
      origin: type.name === "" ? name : `struct ${type.name}`,
      size: type.ref,
      fields,
    };
    this.#structs.set(key, struct);
    return struct;
  }

  /** Members as fields; those of a nameless struct count as the outer one's, as in C. */
  #fields(members: readonly TypeMember[], parent: string, baseBits: number): FieldShape[] {
    return members.flatMap((member) => {
      const bitOffset = baseBits + member.bitOffset;
      const type = this.#types.resolve(member.type);
      if (member.name === "" && type.kind === KIND.struct)
        return this.#fields(type.members, parent, bitOffset);
      if (PADDING.test(member.name)) return [];
      const offset = bitOffset >> 3;
      const property = member.name === "" ? `unionAt${offset}` : camel(member.name);
      const shape = this.read(member.type, `${parent}_${member.name}`);
      if (sizeOf(shape) === 0) return [];
      return [{ property, offset, shape, bitOffset, bits: member.bits }];
    });
  }

  #structId(id: number): number {
    let at = id;
    while (this.#types.get(at) !== this.#types.resolve(id)) at = this.#types.get(at).ref;
    return at;
  }

  #typedefName(id: number): string {
    const type = this.#types.get(id);
    return type.kind === KIND.typedef ? type.name : "";
  }

  #freshName(wanted: string): string {
    let name = TAKEN.has(wanted) ? `${wanted}Struct` : wanted;
    for (let n = 2; this.#names.has(name); n++) name = `${wanted}${n}`;
    this.#names.add(name);
    return name;
  }
}

/** Size of a shape in bytes. */
export function sizeOf(shape: Shape): number {
  switch (shape.kind) {
    case "bool":
      return 1;
    case "array":
      return sizeOf(shape.element) * shape.length;
    case "struct":
      return shape.struct.size;
    default:
      return shape.size;
  }
}

function intShape(type: TypeInfo): Shape {
  const encoding = (type.words[0] ?? 0) >>> 24;
  if (encoding & INT_BOOL) return { kind: "bool" };
  if (![1, 2, 4, 8].includes(type.ref)) return { kind: "bytes", size: type.ref };
  const signed = (encoding & INT_SIGNED) !== 0 && (encoding & INT_CHAR) === 0;
  return { kind: "int", size: type.ref, signed };
}

/** `prefix_length` → `prefixLength`; a leading underscore or capital stays. */
export function camel(name: string): string {
  return name.replace(/(?<=[A-Za-z0-9])_+([A-Za-z0-9])/g, (_, letter: string) =>
    letter.toUpperCase(),
  );
}

/** `port_key` → `PortKey`. */
export function pascal(name: string): string {
  const text = camel(name.replace(/[^A-Za-z0-9_]/g, "_").replace(/^_+/, ""));
  return text.charAt(0).toUpperCase() + text.slice(1);
}
