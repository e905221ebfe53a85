/** BTF for older kernels: kinds they refuse are rewritten in place to older kinds of the same extent. */
import { Btf, DATASEC, DECL_TAG, ENUM64, FLOAT, FUNC, FUNC_PROTO, INT, STRUCT, TYPE_TAG, UNION, VAR, CONST, PTR, ENUM, TYPEDEF } from "./btf";

/** What the kernel lacks: bits of `lacking`. */
export const LACKS_FUNC: u32 = 1;
export const LACKS_GLOBAL_FUNC: u32 = 2;
export const LACKS_DATASEC: u32 = 4;
export const LACKS_FLOAT: u32 = 8;
export const LACKS_DECL_TAG: u32 = 16;
export const LACKS_TYPE_TAG: u32 = 32;
export const LACKS_ENUM64: u32 = 64;

/** Rewrites every type the kernel would refuse. Ids and extents stay. */
export function sanitise(types: Btf, lacking: u32): void {
  for (let id: u32 = 1; id < types.count; id++) rewrite(types, id, lacking);
}

function rewrite(types: Btf, id: u32, lacking: u32): void {
  const kind = types.kind(id);
  if (kind == VAR && (lacking & LACKS_DATASEC) != 0) setInt(types, id);
  else if (kind == DECL_TAG && (lacking & LACKS_DECL_TAG) != 0) setInt(types, id);
  else if (kind == DATASEC && (lacking & LACKS_DATASEC) != 0) datasecToStruct(types, id);
  else if (kind == FUNC_PROTO && (lacking & LACKS_FUNC) != 0) setInfo(types, id, ENUM, types.vlen(id));
  else if (kind == FUNC && (lacking & LACKS_FUNC) != 0) setInfo(types, id, TYPEDEF, 0);
  else if (kind == FUNC && (lacking & LACKS_GLOBAL_FUNC) != 0) setInfo(types, id, FUNC, 0);
  else if (kind == FLOAT && (lacking & LACKS_FLOAT) != 0) floatToStruct(types, id);
  else if (kind == TYPE_TAG && (lacking & LACKS_TYPE_TAG) != 0) tagToConst(types, id);
  else if (kind == ENUM64 && (lacking & LACKS_ENUM64) != 0) enumToUnion(types, id);
}

function setInfo(types: Btf, id: u32, kind: u32, vlen: u32): void {
  store<u32>(types.head(id) + 4, (kind << 24) | vlen);
  if (kind == ENUM) store<u32>(types.head(id) + 8, 4);
}

/** A VAR or DECL_TAG has one word behind its head, as an INT has. */
function setInt(types: Btf, id: u32): void {
  setInfo(types, id, INT, 0);
  store<u32>(types.head(id) + 8, 1);
  store<u32>(types.items(id), 8);
}

/** (type, offset, size) of a section becomes (name, type, bit offset) of a member. */
function datasecToStruct(types: Btf, id: u32): void {
  const n = types.vlen(id);
  setInfo(types, id, STRUCT, n);
  // Section names begin with a dot, which a struct's name must not.
  store<u32>(types.head(id), 0);
  for (let i: u32 = 0; i < n; i++) {
    const item = types.items(id) + i * 12;
    const type = load<u32>(item);
    const offset = load<u32>(item + 4);
    store<u32>(item, 0);
    store<u32>(item + 4, type);
    store<u32>(item + 8, offset * 8);
  }
}

function floatToStruct(types: Btf, id: u32): void {
  setInfo(types, id, STRUCT, 0);
}

function tagToConst(types: Btf, id: u32): void {
  store<u32>(types.head(id), 0);
  setInfo(types, id, CONST, 0);
}

/** Enumerators become members of one 8-byte type; any pointer does, and the kernel needs nothing of it. */
function enumToUnion(types: Btf, id: u32): void {
  const n = types.vlen(id);
  const member = anyPointer(types);
  setInfo(types, id, UNION, n);
  store<u32>(types.head(id) + 8, 8);
  for (let i: u32 = 0; i < n; i++) {
    store<u32>(types.items(id) + i * 12 + 4, member);
    store<u32>(types.items(id) + i * 12 + 8, 0);
  }
}

function anyPointer(types: Btf): u32 {
  for (let id: u32 = 1; id < types.count; id++) if (types.kind(id) == PTR) return id;
  return 0;
}
