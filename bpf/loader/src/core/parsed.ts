import type { CollectionSpec, MapSpec, ProgramSpec } from "../api/spec.ts";
import type { TypeTable } from "./types.ts";
import type { VariableTable } from "./variables.ts";

/** What an instruction refers to: a map's descriptor, a place in a data section, an extern. */
export interface Reference {
  readonly instruction: number;
  readonly kind: "map" | "data" | "extern" | "extern-call";
  /** Number of the map or extern. */
  readonly index: number;
  /** Byte offset added inside a data section. */
  readonly offset: number;
}

/** A program with everything loading needs. */
export interface ParsedProgram extends ProgramSpec {
  readonly references: readonly Reference[];
  /** CO-RE records: (instruction, type, access string, kind), four words each. */
  readonly coreRecords: Uint32Array;
  /** (instruction, FUNC type) pairs and (instruction, file, line, line and column) quadruples. */
  readonly functionInfo: Uint32Array;
  readonly lineInfo: Uint32Array;
}

/** Where a map comes from. */
export type MapKind = "user" | "data" | "rodata" | "bss" | "kconfig";

/** A map with what only the loader needs. */
export interface ParsedMap extends MapSpec {
  readonly kind: MapKind;
  readonly mappable: boolean;
}

/** Something the kernel defines: a setting (`__kconfig`) or a symbol (`__ksym`). */
export interface Extern {
  readonly name: string;
  readonly weak: boolean;
  readonly isFunction: boolean;
  readonly isKconfig: boolean;
  /** Its VAR or FUNC, and the type behind: 0 for a typeless symbol. */
  readonly typeId: number;
  readonly valueType: number;
  readonly size: number;
  /** Byte offset in the .kconfig map. */
  readonly offset: number;
}

/** A variable of a `.struct_ops` section: a kernel struct, some of whose pointers are programs. */
export interface StructOps {
  readonly name: string;
  readonly section: string;
  readonly typeId: number;
  readonly data: Uint8Array;
  readonly programs: readonly { readonly offset: number; readonly program: string }[];
}

/** The whole object, as `parse` returns it; users see `CollectionSpec`. */
export class ParsedObject implements CollectionSpec {
  readonly license: string;
  readonly version: number;
  readonly programs: ReadonlyMap<string, ParsedProgram>;
  readonly maps: ReadonlyMap<string, ParsedMap>;
  readonly variables: VariableTable;
  readonly types: TypeTable;
  readonly mapList: readonly ParsedMap[];
  readonly externs: readonly Extern[];
  readonly structOps: readonly StructOps[];
  /** BTF to hand to the kernel; empty when the object has none. */
  readonly btf: Uint8Array;

  constructor(parts: ObjectParts) {
    this.license = parts.license;
    this.version = parts.version;
    this.programs = new Map(parts.programs.map((program) => [program.name, program]));
    this.maps = new Map(parts.mapList.map((map) => [map.name, map]));
    this.variables = parts.variables;
    this.types = parts.types;
    this.mapList = parts.mapList;
    this.externs = parts.externs;
    this.structOps = parts.structOps;
    this.btf = parts.btf;
  }
}

/** What the tape held. */
export interface ObjectParts {
  readonly license: string;
  readonly version: number;
  readonly programs: readonly ParsedProgram[];
  readonly mapList: readonly ParsedMap[];
  readonly variables: VariableTable;
  readonly types: TypeTable;
  readonly externs: readonly Extern[];
  readonly structOps: readonly StructOps[];
  readonly btf: Uint8Array;
}
