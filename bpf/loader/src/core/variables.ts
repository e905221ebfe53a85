import type { VariableSpec, Variables, VariableValue } from "../api/spec.ts";
import { UnknownName, ValueOutOfRange } from "../errors.ts";
import { KIND, type TypeTable } from "./types.ts";

/** Global variables over the contents of their data sections. `copy()` makes one that a single load may change. */
export class VariableTable implements Variables {
  readonly all: readonly VariableSpec[];
  readonly #byName: ReadonlyMap<string, VariableSpec>;
  readonly #types: TypeTable;
  readonly #data: Map<string, Uint8Array>;

  /** `data`: contents by section name; changed in place. */
  constructor(all: readonly VariableSpec[], types: TypeTable, data: Map<string, Uint8Array>) {
    this.all = all;
    this.#types = types;
    this.#data = data;
    this.#byName = new Map(all.map((variable) => [variable.name, variable]));
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  bytes(name: string): Uint8Array {
    return this.#slice(this.#find(name)).slice();
  }

  set(name: string, value: VariableValue): void {
    const variable = this.#find(name);
    const target = this.#slice(variable);
    if (value instanceof Uint8Array) {
      if (value.length !== target.length) {
        throw new ValueOutOfRange(`${name} has ${target.length} bytes, not ${value.length}`);
      }
      target.set(value);
      return;
    }
    writeScalar(target, this.#range(variable), BigInt(value));
  }

  /** Contents of a section as they would be loaded now. */
  section(name: string): Uint8Array | undefined {
    return this.#data.get(name);
  }

  /** The same variables over a copy of the contents. */
  copy(): VariableTable {
    const data = new Map([...this.#data].map(([name, bytes]) => [name, bytes.slice()]));
    return new VariableTable(this.all, this.#types, data);
  }

  #find(name: string): VariableSpec {
    const variable = this.#byName.get(name);
    if (variable === undefined) throw new UnknownName("variable", name, this.#byName.keys());
    return variable;
  }

  #slice(variable: VariableSpec): Uint8Array {
    const data = this.#data.get(variable.section) ?? new Uint8Array(0);
    return data.subarray(variable.offset, variable.offset + variable.size);
  }

  /** What numbers the variable takes; throws when it is no scalar. */
  #range(variable: VariableSpec): ScalarRange {
    const type = this.#types.resolve(variable.typeId);
    const scalar = type.kind === KIND.int || type.kind === KIND.enum || type.kind === KIND.enum64;
    if (!scalar || variable.size > 8) {
      throw new ValueOutOfRange(`${variable.name} is no number: give its ${variable.size} bytes`);
    }
    const signed = type.kind === KIND.int ? ((type.words[0] ?? 0) & 0x1000000) !== 0 : type.flag;
    const isBool = type.kind === KIND.int && ((type.words[0] ?? 0) & 0x4000000) !== 0;
    return { name: variable.name, bits: isBool ? 1 : variable.size * 8, signed };
  }
}

interface ScalarRange {
  readonly name: string;
  readonly bits: number;
  readonly signed: boolean;
}

function writeScalar(target: Uint8Array, range: ScalarRange, value: bigint): void {
  const bits = BigInt(range.bits);
  const least = range.signed ? -(1n << (bits - 1n)) : 0n;
  const most = range.signed ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
  if (value < least || value > most) {
    throw new ValueOutOfRange(`${range.name} takes ${least} to ${most}, not ${value}`);
  }
  let rest = BigInt.asUintN(64, value);
  for (let i = 0; i < target.length; i++) {
    target[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}
