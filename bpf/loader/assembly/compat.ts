/** When two types of two BTFs may stand for each other (CO-RE's rules; kinds matter, names mostly don't). */
import { ARRAY, Btf, ENUM, ENUM64, FLOAT, FUNC_PROTO, FWD, INT, PTR, STRUCT, UNION } from "./btf";
import { essential } from "./target";
import { Text } from "./text";

const MAX_DEPTH: i32 = 32;

/** Enumerations of 32 and 64 bit count as one kind. */
export function sameKind(a: u32, b: u32): bool {
  if (a == b) return true;
  return (a == ENUM || a == ENUM64) && (b == ENUM || b == ENUM64);
}

/** Same essential name, or one of them has none. */
function namesAgree(a: Text, b: Text): bool {
  return a.len == 0 || b.len == 0 || essential(a).same(essential(b));
}

/** May a field of type `a` be read as one of type `b`? Integers of any size and sign may. */
export function fieldsAreCompatible(local: Btf, a: u32, target: Btf, b: u32): bool {
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    a = local.resolve(a);
    b = target.resolve(b);
    if (local.isComposite(a) && target.isComposite(b)) return true;
    const kind = local.kind(a);
    if (!sameKind(kind, target.kind(b))) return false;
    if (kind == PTR || kind == FLOAT) return true;
    if (kind == FWD || kind == ENUM || kind == ENUM64) return namesAgree(local.name(a), target.name(b));
    if (kind == INT) return local.intOffset(a) == 0 && target.intOffset(b) == 0;
    if (kind != ARRAY) return false;
    a = local.arrayElement(a);
    b = target.arrayElement(b);
  }
  return false;
}

/** May type `a` be taken for type `b` as a whole? Used for existence, size and ids of types, and for kernel functions. */
export function typesAreCompatible(local: Btf, a: u32, target: Btf, b: u32, level: i32 = MAX_DEPTH): bool {
  if (level <= 0) return false;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    a = local.resolve(a);
    b = target.resolve(b);
    const kind = local.kind(a);
    if (!sameKind(kind, target.kind(b))) return false;
    if (kind == INT) return local.intOffset(a) == 0 && target.intOffset(b) == 0;
    if (kind == PTR) {
      a = local.sizeOrType(a);
      b = target.sizeOrType(b);
    } else if (kind == ARRAY) {
      a = local.arrayElement(a);
      b = target.arrayElement(b);
    } else if (kind == FUNC_PROTO) {
      if (!parametersAreCompatible(local, a, target, b, level)) return false;
      a = local.sizeOrType(a);
      b = target.sizeOrType(b);
    } else {
      return kind == 0 || kind == STRUCT || kind == UNION || kind == ENUM || kind == ENUM64 || kind == FWD;
    }
  }
  return false;
}

function parametersAreCompatible(local: Btf, a: u32, target: Btf, b: u32, level: i32): bool {
  const n = local.vlen(a);
  if (n != target.vlen(b)) return false;
  for (let i: u32 = 0; i < n; i++) {
    const one = load<u32>(local.items(a) + i * 8 + 4);
    const other = load<u32>(target.items(b) + i * 8 + 4);
    if (!typesAreCompatible(local, one, target, other, level - 1)) return false;
  }
  return true;
}
