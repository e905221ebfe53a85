/**
 * A CO-RE access: "0:1:2" on a type names a path through members and array elements (Documentation/bpf/
 * llvm_reloc.rst). `readAccess` walks it on the object's own type, `findAccess` finds the same path, by member
 * names, in a type of the kernel.
 */
import { ARRAY, Btf } from "./btf";
import { fieldsAreCompatible, sameKind } from "./compat";
import { essential } from "./target";
import { Text } from "./text";

const MAX_STEPS: i32 = 64;
const MAX_ANONYMOUS_DEPTH: i32 = 32;

/** One step that counts for matching: a named member, or an array index (`named` false). */
export class Step {
  type: u32;
  index: u32;
  named: bool;

  constructor(type: u32, index: u32, named: bool) {
    this.type = type;
    this.index = index;
    this.named = named;
  }
}

/** One CO-RE access: a type and the path of members into it (Documentation/bpf/llvm_reloc.rst). */
export class Access {
  types: Btf;
  root: u32;
  steps: Array<Step> = new Array<Step>();
  bitOffset: u64 = 0;

  constructor(types: Btf, root: u32) {
    this.types = types;
    this.root = root;
  }

  last(): Step {
    return this.steps[this.steps.length - 1];
  }
}

/** The numbers of "1:2:3"; empty when it is no such text. */
export function readIndexes(text: Text): Array<u32> {
  const out = new Array<u32>();
  let value: u64 = 0;
  let digits = 0;
  for (let i: u32 = 0; i <= text.len; i++) {
    const c = text.at(i);
    if (i < text.len && c >= 48 && c <= 57) {
      value = value * 10 + c - 48;
      digits++;
      if (value > 0xffffffff) return new Array<u32>();
      continue;
    }
    if (digits == 0 || (i < text.len && c != 58) || out.length >= MAX_STEPS) return new Array<u32>();
    out.push(<u32>value);
    value = 0;
    digits = 0;
  }
  return out;
}

/** Walks field indexes on the local type; null when they don't fit it. */
export function readAccess(types: Btf, root: u32, indexes: Array<u32>): Access | null {
  const out = new Access(types, root);
  if (indexes.length == 0) return null;
  let at = types.resolve(root);
  const size = types.sizeOf(at);
  if (size < 0) return null;
  out.steps.push(new Step(at, indexes[0], false));
  out.bitOffset = <u64>indexes[0] * <u64>size * 8;
  for (let i = 1; i < indexes.length; i++) {
    at = types.resolve(at);
    const index = indexes[i];
    if (types.isComposite(at)) {
      if (index >= types.vlen(at)) return null;
      out.bitOffset += types.memberBitOffset(at, index);
      if (types.memberName(at, index).len > 0) out.steps.push(new Step(at, index, true));
      at = types.memberType(at, index);
    } else if (types.kind(at) == ARRAY) {
      const element = types.arrayElement(at);
      const flexible = isFlexible(types, out.last(), at);
      if (!flexible && index >= types.arrayLength(at)) return null;
      at = types.resolve(element);
      out.steps.push(new Step(at, index, false));
      const bytes = types.sizeOf(at);
      if (bytes < 0) return null;
      out.bitOffset += <u64>index * <u64>bytes * 8;
    } else {
      return null;
    }
  }
  return out;
}

/** An array of no length that ends its struct may be indexed beyond it. */
function isFlexible(types: Btf, owner: Step, array: u32): bool {
  if (!owner.named || types.arrayLength(array) > 0) return false;
  return owner.index == types.vlen(owner.type) - 1;
}

/** The same path in a type of the target; null when it has no such path. */
export function findAccess(local: Access, target: Btf, root: u32): Access | null {
  const out = new Access(target, root);
  let at = target.resolve(root);
  for (let i = 0; i < local.steps.length; i++) {
    const step = local.steps[i];
    at = target.resolve(at);
    if (step.named) {
      at = findMember(local.types, step, out, at);
      if (at == 0) return null;
      continue;
    }
    if (i > 0) {
      if (target.kind(at) != ARRAY) return null;
      if (!isFlexible(target, out.last(), at) && step.index >= target.arrayLength(at)) return null;
      at = target.resolve(target.arrayElement(at));
    }
    if (out.steps.length >= MAX_STEPS) return null;
    out.steps.push(new Step(at, step.index, false));
    const size = target.sizeOf(at);
    if (size < 0) return null;
    out.bitOffset += <u64>step.index * <u64>size * 8;
  }
  return out;
}

/** Adds the member of the step's name, also through anonymous members; returns its type, 0 = none. */
function findMember(local: Btf, step: Step, out: Access, struct: u32): u32 {
  const name = local.memberName(step.type, step.index);
  const type = local.memberType(step.type, step.index);
  const found = searchMember(out, struct, name, MAX_ANONYMOUS_DEPTH);
  if (found == 0) return 0;
  return fieldsAreCompatible(local, type, out.types, found) ? found : 0;
}

function searchMember(out: Access, id: u32, name: Text, depth: i32): u32 {
  const types = out.types;
  const struct = types.resolve(id);
  if (depth == 0 || !types.isComposite(struct)) return 0;
  const n = types.vlen(struct);
  const before = out.bitOffset;
  for (let i: u32 = 0; i < n; i++) {
    out.bitOffset = before + types.memberBitOffset(struct, i);
    const own = types.memberName(struct, i);
    if (own.len == 0) {
      const found = searchMember(out, types.memberType(struct, i), name, depth - 1);
      if (found != 0) return found;
    } else if (own.same(name)) {
      out.steps.push(new Step(struct, i, true));
      return types.memberType(struct, i);
    }
  }
  out.bitOffset = before;
  return 0;
}

/** Number of the enumerator of that essential name in the type, -1 = none. */
export function findEnumerator(local: Btf, a: u32, index: u32, target: Btf, b: u32): i32 {
  const id = target.resolve(b);
  if (!target.isEnum(id)) return -1;
  const name = essential(local.enumName(a, index));
  const n = target.vlen(id);
  for (let i: u32 = 0; i < n; i++) if (essential(target.enumName(id, i)).same(name)) return i;
  return -1;
}

/** May this type of the target stand for the local one at all: same kind of thing, same essential name? */
export function isCandidate(local: Btf, a: u32, target: Btf, b: u32): bool {
  return sameKind(local.kind(a), target.kind(b)) && essential(local.name(a)).same(essential(target.name(b)));
}
