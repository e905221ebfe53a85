import type { LoadOptions } from "../api/options.ts";
import type { ParsedObject } from "../core/parsed.ts";
import type { VariableTable } from "../core/variables.ts";
import type { KernelMap } from "../maps/kernel-map.ts";
import type { Host } from "../sys/host.ts";

/**
 * From spec to kernel objects, stage by stage: types, maps, externs, programs. load.ts is the story; every
 * other file of this folder is one stage. The spec is never changed.
 */
export interface Session {
  readonly host: Host;
  readonly object: ParsedObject;
  readonly options: LoadOptions;
  /** The variables of this load. */
  readonly variables: VariableTable;
  /** Descriptor of the object's BTF in the kernel, -1 when it has none or the kernel takes none. */
  readonly btfFd: number;
  /** Maps by number of the spec. */
  readonly maps: readonly KernelMap[];
  /** What externs resolved to, by number. */
  readonly externs: readonly ResolvedExtern[];
}

/** What the running kernel has for an extern. */
export type ResolvedExtern =
  | { readonly kind: "setting"; readonly offset: number }
  | { readonly kind: "address"; readonly address: bigint }
  | { readonly kind: "variable"; readonly typeId: number }
  | { readonly kind: "function"; readonly typeId: number }
  /** Weak and not there: its address is 0, a call to it must never run. */
  | { readonly kind: "missing" };
