/**
 * The public words of ebpf-loader-wasm: plain interfaces, no code. A *spec* is what an object file
 * says: pure, the same on every machine, read by `parse()`. An *object* (`Collection`, `Program`,
 * `MapHandle`, `Link`) owns a descriptor of the running kernel and is made by `load()` and the
 * `attach…()` functions. This folder imports nothing but itself and must never touch the kernel.
 */

/** What a variable of the object file may be set to: numbers for scalars, bytes for anything else. */
export type VariableValue = bigint | number | boolean | Uint8Array;

/** One global variable of `.rodata*`, `.data*` or `.bss*`. Offsets and sizes are bytes. */
export interface VariableSpec {
  readonly name: string;
  /** Section it lives in, which is also the name of the map that holds it, such as `.rodata`. */
  readonly section: string;
  readonly offset: number;
  readonly size: number;
  /** BTF id of its type in the object's own type table, 0 when the object has no BTF for it. */
  readonly typeId: number;
}

/** The variables of an object by name. Setting changes the spec: every later `load()` sees it. */
export interface Variables {
  /** Every variable, sorted by section and offset. */
  readonly all: readonly VariableSpec[];
  has(name: string): boolean;
  /** The bytes as they would be loaded now (a copy). Throws `UnknownName`. */
  bytes(name: string): Uint8Array;
  /** Sets a variable before load; throws `UnknownName` or `ValueOutOfRange` when it does not fit its type. */
  set(name: string, value: VariableValue): void;
}

/** A map as the object file defines it. Sizes are bytes; `type` is the kernel's `bpf_map_type` number. */
export interface MapSpec {
  readonly name: string;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** `BPF_F_*` flags of `BPF_MAP_CREATE`. */
  readonly flags: number;
  readonly extra: bigint;
  readonly numaNode: number;
  /** True for `__uint(pinning, LIBBPF_PIN_BY_NAME)`: shared through `pinDirectory`/name. */
  readonly pinByName: boolean;
  /** BTF ids of key and value in the object's type table, 0 when unknown. */
  readonly keyTypeId: number;
  readonly valueTypeId: number;
  /** Template of the inner map, for maps of maps. */
  readonly inner?: MapSpec;
  /** Static initialisers of prog arrays and maps of maps. */
  readonly slots: readonly MapSlot[];
  /** First contents of a data section's map. */
  readonly data?: Uint8Array;
  /** True for maps made from a data section (`.rodata`, `.data`, `.bss`, `.kconfig`). */
  readonly internal: boolean;
}

/** One static initialiser: `index` of the array gets the program or map called `target`. */
export interface MapSlot {
  readonly index: number;
  readonly target: string;
}

/** A program as the object file defines it, its sub-programs appended, nothing relocated yet. */
export interface ProgramSpec {
  readonly name: string;
  /** ELF section, for example `cgroup/connect4`: it decides type and attach type. */
  readonly section: string;
  /** False for `SEC("?…")`: loaded only when asked for by `LoadOptions.programs`. */
  readonly autoload: boolean;
  /** Eight bytes per instruction, in the kernel's encoding, before relocation. */
  readonly instructions: Uint8Array;
}

/** What an object file holds. Made by `parse()`; loading does not change it. */
export interface CollectionSpec {
  /** From the `license` section, empty when missing. */
  readonly license: string;
  readonly programs: ReadonlyMap<string, ProgramSpec>;
  readonly maps: ReadonlyMap<string, MapSpec>;
  readonly variables: Variables;
}
