import type { MapHandle } from "./objects.ts";
import type { VariableValue } from "./spec.ts";

/** How `load()` makes kernel objects out of a spec. Everything is optional. */
export interface LoadOptions {
  /**
   * Directory on a bpffs for maps with `LIBBPF_PIN_BY_NAME`: an existing pin of the same
   * definition is reused, one of another definition throws `PinMismatch`. Without it such maps
   * are refused (`MissingPinDirectory`) unless given in `maps`.
   */
  readonly pinDirectory?: string;
  /** Variables for this load only; the spec stays as it is. Same errors as `Variables.set`. */
  readonly variables?: Readonly<Record<string, VariableValue>>;
  /** Existing maps to use in place of those of the same name; the caller keeps owning them. */
  readonly maps?: Readonly<Record<string, MapHandle>>;
  /** `max_entries` by map name, for sizes known only at run time. */
  readonly maxEntries?: Readonly<Record<string, number>>;
  /** Names of the programs to load. Default: every one that is not `SEC("?…")`. */
  readonly programs?: readonly string[];
  /** For `fentry`, `fexit`, `freplace`, `lsm`…: attach target by program name, overriding the section's. */
  readonly attachTargets?: Readonly<Record<string, string>>;
  /** Bytes of verifier log kept when a program is refused. Default 1 MiB, largest useful 16 MiB. */
  readonly verifierLogBytes?: number;
}
