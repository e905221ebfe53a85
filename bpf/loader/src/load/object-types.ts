import { Core } from "../core/core.ts";
import { hasFeature } from "../kernel/features.ts";
import { BPF } from "../sys/constants.ts";
import type { Host } from "../sys/host.ts";

/** Bits of assembly/sanitise.ts and the feature whose lack sets them. */
const LACKING = [
  [1, "btf-functions"],
  [2, "btf-global-functions"],
  [4, "btf-sections"],
  [8, "btf-float"],
  [16, "btf-declaration-tags"],
  [32, "btf-type-tags"],
  [64, "btf-64-bit-enums"],
] as const;

/**
 * Gives the object's BTF to the kernel: as it is, then without what an older kernel refuses. -1 when
 * it takes neither: programs and maps then go without types, which most can.
 */
export function loadObjectTypes(host: Host, btf: Uint8Array): number {
  if (btf.length === 0) return -1;
  const fd = loadBlob(host, btf);
  if (fd >= 0) return fd;
  let lacking = 0;
  for (const [bit, feature] of LACKING) if (!hasFeature(feature, host)) lacking |= bit;
  if (lacking === 0) return -1;
  return Math.max(-1, loadBlob(host, new Core().sanitise(btf, lacking)));
}

/** One BPF_BTF_LOAD: the descriptor or a negative errno. */
export function loadBlob(host: Host, blob: Uint8Array): number {
  return host.call.begin().data(0, blob).u32(16, blob.length).run(BPF.btfLoad, 28);
}
