import { readFileSync } from "node:fs";
import { Core } from "../core/core.ts";
import { readType, type TypeInfo } from "../core/types.ts";
import { UnsupportedFeature } from "../errors.ts";

/**
 * What is asked of the running kernel besides bpf(2): its types (BTF), its settings (kconfig), its symbols
 * (kallsyms), its features (probes). Everything is read on first use only: most objects need none of it.
 */
const PATH = "/sys/kernel/btf/vmlinux";
/** An instance that relocations made this big is replaced. */
const MAX_KEPT_BYTES = 96 * 1024 * 1024;

let kept: Core | undefined;

/** The core with the kernel's types open. Throws `UnsupportedFeature` when the kernel has no BTF. */
export function kernelTypes(): Core {
  if (kept !== undefined && kept.memoryBytes < MAX_KEPT_BYTES) return kept;
  const core = new Core();
  core.openTarget(readBlob());
  kept = core;
  return core;
}

/** Lets go of the 10 to 20 MB that the kernel's types take. */
export function forgetKernelTypes(): void {
  kept = undefined;
}

/** Describes one of the kernel's types by id. */
export function kernelType(id: number): TypeInfo {
  return readType(kernelTypes().describeTarget(id));
}

function readBlob(): Uint8Array {
  try {
    return readFileSync(PATH);
  } catch {
    throw new UnsupportedFeature(`type information (${PATH}; CONFIG_DEBUG_INFO_BTF)`, "5.2");
  }
}
