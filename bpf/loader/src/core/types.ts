import type { TapeReader } from "./tape.ts";

/** BTF kinds (Documentation/bpf/btf.rst, section 2.2). */
export const KIND = {
  void: 0,
  int: 1,
  pointer: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  forward: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  prototype: 13,
  variable: 14,
  section: 15,
  float: 16,
  declTag: 17,
  typeTag: 18,
  enum64: 19,
} as const;

/** One type. `ref` is a size or a type id, as the kind has it. */
export interface TypeInfo {
  readonly kind: number;
  readonly name: string;
  readonly ref: number;
  readonly flag: boolean;
  readonly members: readonly TypeMember[];
  readonly enumerators: readonly Enumerator[];
  /** Kind-specific words: array (element, index, length), int (encoding), section (type, offset, size)… */
  readonly words: readonly number[];
}

/** A member of a struct or union; `bits` is 0 unless it is a bit field. Prototype parameters have no offset. */
export interface TypeMember {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  readonly bits: number;
}

/** One name of an enumeration. */
export interface Enumerator {
  readonly name: string;
  readonly value: bigint;
}

/** All types of an object by id; id 0 is void. */
export class TypeTable {
  readonly #types: readonly TypeInfo[];

  constructor(types: readonly TypeInfo[]) {
    this.#types = types;
  }

  get count(): number {
    return this.#types.length;
  }

  get(id: number): TypeInfo {
    return this.#types[id] ?? VOID;
  }

  /** Behind typedefs and modifiers; void when they never end. */
  resolve(id: number): TypeInfo {
    let at = id;
    for (let depth = 0; depth < 32; depth++) {
      const type = this.get(at);
      if (!PASSES.has(type.kind)) return type;
      at = type.ref;
    }
    return VOID;
  }

  /** Size in bytes, 0 when it has none. */
  sizeOf(id: number, depth = 0): number {
    const type = this.resolve(id);
    if (type.kind === KIND.pointer) return 8;
    if (type.kind === KIND.array && depth < 16) {
      return (type.words[2] ?? 0) * this.sizeOf(type.words[0] ?? 0, depth + 1);
    }
    return SIZED.has(type.kind) ? type.ref : 0;
  }
}

const VOID: TypeInfo = {
  kind: 0,
  name: "",
  ref: 0,
  flag: false,
  members: [],
  enumerators: [],
  words: [],
};
const PASSES: ReadonlySet<number> = new Set([8, 9, 10, 11, 18]);
const SIZED: ReadonlySet<number> = new Set([1, 4, 5, 6, 15, 16, 19]);
const WORDS: Readonly<Record<number, number>> = {
  [KIND.array]: 3,
  [KIND.int]: 1,
  [KIND.variable]: 1,
};

/** Reads one type as assembly/types-out.ts writes it. */
export function readType(tape: TapeReader): TypeInfo {
  const kind = tape.u32();
  const name = tape.text();
  const ref = tape.u32();
  const flag = tape.u32() === 1;
  const length = tape.u32();
  const times = <T>(count: number, read: () => T) => Array.from({ length: count }, read);
  const base = { kind, name, ref, flag, members: [], enumerators: [], words: [] };
  switch (kind) {
    case KIND.struct:
    case KIND.union:
      return { ...base, members: times(length, () => readMember(tape)) };
    case KIND.enum:
    case KIND.enum64:
      return {
        ...base,
        enumerators: times(length, () => ({ name: tape.text(), value: tape.u64() })),
      };
    case KIND.prototype:
      return {
        ...base,
        members: times(length, () => ({
          name: tape.text(),
          type: tape.u32(),
          bitOffset: 0,
          bits: 0,
        })),
      };
    case KIND.section:
      return { ...base, words: times(length * 3, () => tape.u32()) };
    default:
      return { ...base, words: times(WORDS[kind] ?? 0, () => tape.u32()) };
  }
}

function readMember(tape: TapeReader): TypeMember {
  return { name: tape.text(), type: tape.u32(), bitOffset: tape.u32(), bits: tape.u32() };
}

/** Reads all types; the tape holds them from id 1. */
export function readTypes(tape: TapeReader): TypeTable {
  const list = tape.list(() => readType(tape));
  return new TypeTable([VOID, ...list]);
}
