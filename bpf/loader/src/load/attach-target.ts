import type { ParsedObject, ParsedProgram } from "../core/parsed.ts";
import { KIND } from "../core/types.ts";
import { InvalidObject, MissingAttachTarget } from "../errors.ts";
import { kernelTypes } from "../kernel/kernel-types.ts";
import type { SectionMeaning } from "./section-table.ts";
import { meaningOf } from "./section-table.ts";
import { implementationOf } from "./struct-ops.ts";

/** Everything of a program's section that BPF_PROG_LOAD wants to know. */
export interface LoadTarget {
  readonly type: number;
  readonly attachType: number;
  readonly flags: number;
  /** Type of the kernel to attach to, 0 for none. */
  readonly kernelTypeId: number;
}

/** The prefix of the kernel's own names for what a section's rest names, and its BTF kind. */
const LOOKUPS: Partial<Record<SectionMeaning["target"], readonly [string, number]>> = {
  function: ["", KIND.func],
  tracepoint: ["btf_trace_", KIND.typedef],
  lsm: ["bpf_lsm_", KIND.func],
  iterator: ["bpf_iter_", KIND.func],
};

/** Type and attach target of a program. Throws `InvalidObject` (unknown section) or `MissingAttachTarget`. */
export function loadTarget(
  object: ParsedObject,
  program: ParsedProgram,
  override?: string,
): LoadTarget {
  const meaning = meaningOf(program.section);
  if (meaning === undefined) {
    throw new InvalidObject(
      `program "${program.name}": section "${program.section}" names no known hook`,
    );
  }
  const lookup = LOOKUPS[meaning.target];
  const base = { type: meaning.type, attachType: meaning.attachType, flags: meaning.flags };
  if (meaning.target === "program") {
    throw new MissingAttachTarget(
      `program "${program.name}" replaces a function of another program, which is not supported`,
    );
  }
  if (meaning.target === "struct-ops") {
    const found = implementationOf(program.name, object.structOps, object.types);
    if (found === undefined) return { ...base, kernelTypeId: 0 };
    return { ...base, kernelTypeId: found.kernelTypeId, attachType: found.member };
  }
  if (lookup === undefined) return { ...base, kernelTypeId: 0 };
  return { ...base, kernelTypeId: findTarget(program, lookup, override ?? meaning.rest) };
}

function findTarget(
  program: ParsedProgram,
  lookup: readonly [string, number],
  name: string,
): number {
  const [prefix, kind] = lookup;
  const wanted = name.startsWith("vmlinux:") ? name.slice("vmlinux:".length) : name;
  if (wanted === "") {
    throw new MissingAttachTarget(
      `program "${program.name}": section "${program.section}" does not say what to attach to`,
    );
  }
  const id = kernelTypes().findTarget(`${prefix}${wanted}`, kind);
  if (id !== 0) return id;
  throw new MissingAttachTarget(
    `program "${program.name}": the running kernel has no "${prefix}${wanted}"`,
  );
}
