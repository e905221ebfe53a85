import type { StructOps } from "../core/parsed.ts";
import { KIND, type TypeInfo, type TypeTable } from "../core/types.ts";
import { MissingAttachTarget } from "../errors.ts";
import { kernelType, kernelTypes } from "../kernel/kernel-types.ts";

/** Which function of which kernel struct a struct_ops program implements. */
export interface Implementation {
  /** The kernel's struct. */
  readonly kernelTypeId: number;
  /** Number of the struct's member. */
  readonly member: number;
}

/**
 * Finds what a program implements: the first `.struct_ops` variable that names it. Undefined when none does.
 * Throws `MissingAttachTarget` when the kernel has no such struct or member.
 */
export function implementationOf(
  program: string,
  variables: readonly StructOps[],
  types: TypeTable,
): Implementation | undefined {
  for (const variable of variables) {
    const use = variable.programs.find((one) => one.program === program);
    if (use === undefined) continue;
    const struct = types.resolve(variable.typeId);
    const member = struct.members.find((one) => one.bitOffset === use.offset * 8);
    return findMember(struct, member?.name ?? "");
  }
  return undefined;
}

function findMember(struct: TypeInfo, name: string): Implementation {
  const structName = struct.name.replace(/___.*$/, "");
  const kernelTypeId = kernelTypes().findTarget(structName, KIND.struct);
  if (kernelTypeId === 0) {
    throw new MissingAttachTarget(`the running kernel has no struct ${structName}`);
  }
  const member = kernelType(kernelTypeId).members.findIndex((one) => one.name === name);
  if (member >= 0) return { kernelTypeId, member };
  throw new MissingAttachTarget(`the kernel's struct ${structName} has no member ${name}`);
}
