/** CO-RE's TYPE_MATCHES: stricter than compatibility, names and members count. Behind a pointer only the name does. */
import { ARRAY, Btf, ENUM, ENUM64, FUNC_PROTO, FWD, INT, PTR, STRUCT, UNION } from "./btf";
import { essential } from "./target";

const MAX_DEPTH: i32 = 32;
/** Comparisons of one relocation: members of members multiply, a hostile type must not take for ever. */
const MAX_WORK: u32 = 200_000;

let work: u32 = 0;

/** Does the target's type have all that the local one has? */
export function typesMatch(local: Btf, a: u32, target: Btf, b: u32): bool {
  work = 0;
  return matches(local, a, target, b, false, MAX_DEPTH);
}

function matches(local: Btf, a: u32, target: Btf, b: u32, behindPointer: bool, level: i32): bool {
  if (level <= 0) return false;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    if (++work > MAX_WORK) return false;
    a = local.resolve(a);
    b = target.resolve(b);
    if (!essential(local.name(a)).same(essential(target.name(b)))) return false;
    const kind = local.kind(a);
    const other = target.kind(b);
    if (kind == FWD) return forwardMatches(local, a, target, b, behindPointer);
    if (kind == ENUM || kind == ENUM64) return target.isEnum(b) && enumeratorsMatch(local, a, target, b);
    if (kind == STRUCT || kind == UNION) {
      if (behindPointer) return kind == other || (other == FWD && (kind == UNION) == target.kflag(b));
      return kind == other && membersMatch(local, a, target, b, level);
    }
    if (kind != other) return false;
    if (kind == PTR) {
      behindPointer = true;
      a = local.sizeOrType(a);
      b = target.sizeOrType(b);
    } else if (kind == ARRAY) {
      if (local.arrayLength(a) != target.arrayLength(b)) return false;
      a = local.arrayElement(a);
      b = target.arrayElement(b);
    } else if (kind == FUNC_PROTO) {
      if (!parametersMatch(local, a, target, b, level)) return false;
      a = local.sizeOrType(a);
      b = target.sizeOrType(b);
    } else if (kind == INT) {
      return local.sizeOrType(a) == target.sizeOrType(b) && (local.intEncoding(a) & 1) == (target.intEncoding(b) & 1);
    } else {
      return kind == 0;
    }
  }
  return false;
}

/** The kind flag of a forward declaration says union (1) or struct (0). */
function forwardMatches(local: Btf, a: u32, target: Btf, b: u32, behindPointer: bool): bool {
  const isUnion = local.kflag(a);
  const other = target.kind(b);
  if (other == FWD) return isUnion == target.kflag(b);
  return behindPointer && other == (isUnion ? UNION : STRUCT);
}

function enumeratorsMatch(local: Btf, a: u32, target: Btf, b: u32): bool {
  if (local.sizeOrType(a) != target.sizeOrType(b)) return false;
  const n = local.vlen(a);
  const m = target.vlen(b);
  if (n > m) return false;
  for (let i: u32 = 0; i < n; i++) {
    const name = essential(local.enumName(a, i));
    let found = false;
    for (let j: u32 = 0; j < m && !found; j++) {
      if (++work > MAX_WORK) return false;
      found = essential(target.enumName(b, j)).same(name);
    }
    if (!found) return false;
  }
  return true;
}

function membersMatch(local: Btf, a: u32, target: Btf, b: u32, level: i32): bool {
  const n = local.vlen(a);
  const m = target.vlen(b);
  if (n > m) return false;
  for (let i: u32 = 0; i < n; i++) {
    const name = essential(local.memberName(a, i));
    let found = false;
    for (let j: u32 = 0; j < m && !found; j++) {
      if (++work > MAX_WORK) return false;
      if (!essential(target.memberName(b, j)).same(name)) continue;
      found = matches(local, local.memberType(a, i), target, target.memberType(b, j), false, level - 1);
    }
    if (!found) return false;
  }
  return true;
}

function parametersMatch(local: Btf, a: u32, target: Btf, b: u32, level: i32): bool {
  const n = local.vlen(a);
  if (n != target.vlen(b)) return false;
  for (let i: u32 = 0; i < n; i++) {
    const one = load<u32>(local.items(a) + i * 8 + 4);
    const other = load<u32>(target.items(b) + i * 8 + 4);
    if (!matches(local, one, target, other, false, level - 1)) return false;
  }
  return true;
}
