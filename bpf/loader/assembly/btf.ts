/** The BPF Type Format (Documentation/bpf/btf.rst): a validated, random-access view of one blob. */
import { fail, hasFault } from "./fault";
import { Text, noText, textUntilNul } from "./text";

/** BTF_KIND_INT (Documentation/bpf/btf.rst). */
export const INT: u32 = 1;
/** BTF_KIND_PTR (Documentation/bpf/btf.rst). */
export const PTR: u32 = 2;
/** BTF_KIND_ARRAY (Documentation/bpf/btf.rst). */
export const ARRAY: u32 = 3;
/** BTF_KIND_STRUCT (Documentation/bpf/btf.rst). */
export const STRUCT: u32 = 4;
/** BTF_KIND_UNION (Documentation/bpf/btf.rst). */
export const UNION: u32 = 5;
/** BTF_KIND_ENUM (Documentation/bpf/btf.rst). */
export const ENUM: u32 = 6;
/** BTF_KIND_FWD (Documentation/bpf/btf.rst). */
export const FWD: u32 = 7;
/** BTF_KIND_TYPEDEF (Documentation/bpf/btf.rst). */
export const TYPEDEF: u32 = 8;
/** BTF_KIND_VOLATILE (Documentation/bpf/btf.rst). */
export const VOLATILE: u32 = 9;
/** BTF_KIND_CONST (Documentation/bpf/btf.rst). */
export const CONST: u32 = 10;
/** BTF_KIND_RESTRICT (Documentation/bpf/btf.rst). */
export const RESTRICT: u32 = 11;
/** BTF_KIND_FUNC (Documentation/bpf/btf.rst). */
export const FUNC: u32 = 12;
/** BTF_KIND_FUNC_PROTO (Documentation/bpf/btf.rst). */
export const FUNC_PROTO: u32 = 13;
/** BTF_KIND_VAR (Documentation/bpf/btf.rst). */
export const VAR: u32 = 14;
/** BTF_KIND_DATASEC (Documentation/bpf/btf.rst). */
export const DATASEC: u32 = 15;
/** BTF_KIND_FLOAT (Documentation/bpf/btf.rst). */
export const FLOAT: u32 = 16;
/** BTF_KIND_DECL_TAG (Documentation/bpf/btf.rst). */
export const DECL_TAG: u32 = 17;
/** BTF_KIND_TYPE_TAG (Documentation/bpf/btf.rst). */
export const TYPE_TAG: u32 = 18;
/** BTF_KIND_ENUM64 (Documentation/bpf/btf.rst). */
export const ENUM64: u32 = 19;

/** How many modifiers, typedefs or array dimensions are followed before a type counts as endless. */
const MAX_DEPTH: u32 = 32;

/** Bytes of one item after the 12-byte head (0 = no list), and of a fixed tail, by kind. */
function itemSize(kind: u32): u32 {
  if (kind == STRUCT || kind == UNION || kind == DATASEC || kind == ENUM64) return 12;
  return kind == ENUM || kind == FUNC_PROTO ? 8 : 0;
}

function tailSize(kind: u32): u32 {
  if (kind == ARRAY) return 12;
  return kind == INT || kind == VAR || kind == DECL_TAG ? 4 : 0;
}

/** Type 0 is void (kind 0). Ids are checked by `readBtf`, so accessors of a valid id need no checks. */
export class Btf {
  blob: Text = noText();
  /** Address of each type's head, by id. */
  heads: StaticArray<usize> = new StaticArray<usize>(0);
  count: u32 = 1;
  strings: usize = 0;
  stringsSize: u32 = 0;
  typesSize: u32 = 0;
  headerSize: u32 = 0;

  @inline head(id: u32): usize {
    return id < this.count ? unchecked(this.heads[id]) : unchecked(this.heads[0]);
  }
  @inline kind(id: u32): u32 {
    return (load<u32>(this.head(id) + 4) >> 24) & 31;
  }
  @inline vlen(id: u32): u32 {
    return load<u32>(this.head(id) + 4) & 0xffff;
  }
  @inline kflag(id: u32): bool {
    return load<u32>(this.head(id) + 4) >> 31 != 0;
  }
  /** Size of an INT, STRUCT, UNION, ENUM, ENUM64, FLOAT or DATASEC; type of a PTR, TYPEDEF, VAR… */
  @inline sizeOrType(id: u32): u32 {
    return load<u32>(this.head(id) + 8);
  }
  @inline nameOffset(id: u32): u32 {
    return load<u32>(this.head(id));
  }
  /** Address of the list after the head. */
  @inline items(id: u32): usize {
    return this.head(id) + 12;
  }

  string(offset: u32): Text {
    if (offset >= this.stringsSize) return noText();
    return textUntilNul(this.strings + offset, this.strings + this.stringsSize);
  }

  name(id: u32): Text {
    return this.string(this.nameOffset(id));
  }

  isComposite(id: u32): bool {
    const kind = this.kind(id);
    return kind == STRUCT || kind == UNION;
  }

  isEnum(id: u32): bool {
    const kind = this.kind(id);
    return kind == ENUM || kind == ENUM64;
  }

  /** Encoding bits (1 signed, 2 char, 4 bool), bit offset and width of an INT. */
  intEncoding(id: u32): u32 {
    return load<u32>(this.items(id)) >> 24;
  }
  intOffset(id: u32): u32 {
    return (load<u32>(this.items(id)) >> 16) & 0xff;
  }

  memberType(id: u32, i: u32): u32 {
    return load<u32>(this.items(id) + i * 12 + 4);
  }
  memberName(id: u32, i: u32): Text {
    return this.string(load<u32>(this.items(id) + i * 12));
  }
  memberBitOffset(id: u32, i: u32): u32 {
    const word = load<u32>(this.items(id) + i * 12 + 8);
    return this.kflag(id) ? word & 0xffffff : word;
  }
  /** Bits of a bit field, 0 for an ordinary member. */
  memberBits(id: u32, i: u32): u32 {
    return this.kflag(id) ? load<u32>(this.items(id) + i * 12 + 8) >> 24 : 0;
  }

  arrayElement(id: u32): u32 {
    return load<u32>(this.items(id));
  }
  arrayLength(id: u32): u32 {
    return load<u32>(this.items(id) + 8);
  }

  enumName(id: u32, i: u32): Text {
    return this.string(load<u32>(this.items(id) + i * (this.kind(id) == ENUM64 ? 12 : 8)));
  }
  enumValue(id: u32, i: u32): u64 {
    if (this.kind(id) == ENUM64) return load<u64>(this.items(id) + i * 12 + 4);
    const word = load<u32>(this.items(id) + i * 8 + 4);
    return this.kflag(id) ? <u64>(<i64>(<i32>word)) : <u64>word;
  }

  /** The type behind modifiers and typedefs; 0 when the chain is endless. */
  resolve(id: u32): u32 {
    let at = id;
    for (let depth: u32 = 0; depth < MAX_DEPTH; depth++) {
      const kind = this.kind(at);
      const passes =
        kind == TYPEDEF || kind == VOLATILE || kind == CONST || kind == RESTRICT || kind == TYPE_TAG;
      if (!passes) return at;
      at = this.sizeOrType(at);
    }
    return 0;
  }

  /** Size in bytes, or -1 when the type has none. Pointers are 8. */
  sizeOf(id: u32): i64 {
    let factor: u64 = 1;
    let at = id;
    for (let depth: u32 = 0; depth < MAX_DEPTH; depth++) {
      at = this.resolve(at);
      const kind = this.kind(at);
      if (kind == PTR) return <i64>(factor * 8);
      if (kind == ARRAY) {
        factor *= <u64>this.arrayLength(at);
        if (factor > 0xffffffff) return -1;
        at = this.arrayElement(at);
        continue;
      }
      const sized =
        kind == INT || kind == STRUCT || kind == UNION || kind == ENUM || kind == ENUM64 || kind == FLOAT || kind == DATASEC;
      if (!sized) return -1;
      const size = factor * <u64>this.sizeOrType(at);
      return size > 0xffffffff ? -1 : <i64>size;
    }
    return -1;
  }

  /** Alignment in bytes as C has it, 0 when unknown. */
  alignOf(id: u32, depth: u32 = 0): u32 {
    const at = this.resolve(id);
    const kind = this.kind(at);
    if (depth > 8) return 0;
    if (kind == PTR) return 8;
    if (kind == INT || kind == ENUM || kind == ENUM64 || kind == FLOAT) return min<u32>(8, this.sizeOrType(at));
    if (kind == ARRAY) return this.alignOf(this.arrayElement(at), depth + 1);
    if (kind != STRUCT && kind != UNION) return 0;
    let most: u32 = 1;
    const n = min<u32>(this.vlen(at), 64);
    for (let i: u32 = 0; i < n; i++) most = max(most, this.alignOf(this.memberType(at, i), depth + 1));
    return most;
  }

  /** The first type of that kind and name, 0 when there is none. */
  find(kind: u32, name: Text): u32 {
    for (let id: u32 = 1; id < this.count; id++) {
      if (this.kind(id) == kind && this.name(id).same(name)) return id;
    }
    return 0;
  }

  /** The DATASEC of that name, 0 when there is none. */
  section(name: Text): u32 {
    return this.find(DATASEC, name);
  }
}

/** Reads and validates a blob: header, every type's extent, every type reference. */
export function readBtf(ptr: usize, size: u32): Btf {
  const types = new Btf();
  types.heads = new StaticArray<usize>(1);
  types.heads[0] = heap.alloc(16);
  memory.fill(types.heads[0], 0, 16);
  types.blob = new Text(ptr, size);
  readHeader(types, ptr, size);
  if (!hasFault()) indexTypes(types);
  if (!hasFault()) checkReferences(types);
  return types;
}

function readHeader(types: Btf, ptr: usize, size: u32): void {
  if (size < 24 || load<u16>(ptr) != 0xeb9f || load<u8>(ptr + 2) != 1) {
    return fail("the BTF header is not valid");
  }
  const header = load<u32>(ptr + 4);
  if (header < 24 || header > size) return fail("the BTF header has a wrong length");
  const rest = <u64>(size - header);
  const typesAt = <u64>load<u32>(ptr + 8);
  const typesSize = <u64>load<u32>(ptr + 12);
  const stringsAt = <u64>load<u32>(ptr + 16);
  const stringsSize = <u64>load<u32>(ptr + 20);
  if (typesAt + typesSize > rest || stringsAt + stringsSize > rest || stringsSize == 0) {
    return fail("BTF types or strings lie outside the section");
  }
  types.headerSize = header;
  types.typesSize = <u32>typesSize;
  types.strings = ptr + header + <usize>stringsAt;
  types.stringsSize = <u32>stringsSize;
  if (load<u8>(types.strings) != 0 || load<u8>(types.strings + types.stringsSize - 1) != 0) {
    return fail("BTF strings are not terminated");
  }
}

/** Bytes a type takes, 0 when it is not valid. */
function extent(at: usize, left: u32): u32 {
  if (left < 12) return 0;
  const info = load<u32>(at + 4);
  const kind = (info >> 24) & 31;
  if (kind == 0 || kind > ENUM64) return 0;
  const bytes: u32 = 12 + tailSize(kind) + itemSize(kind) * (info & 0xffff);
  return bytes > left ? 0 : bytes;
}

function indexTypes(types: Btf): void {
  const start = types.blob.ptr + types.headerSize + load<u32>(types.blob.ptr + 8);
  let count: u32 = 1;
  for (let at: u32 = 0; at < types.typesSize; count++) {
    const bytes = extent(start + at, types.typesSize - at);
    if (bytes == 0) return fail("BTF type " + count.toString() + " is not valid");
    at += bytes;
  }
  const heads = new StaticArray<usize>(count);
  heads[0] = types.heads[0];
  let at = start;
  for (let id: u32 = 1; id < count; id++) {
    heads[id] = at;
    at += extent(at, 0xffffffff);
  }
  types.heads = heads;
  types.count = count;
}

function checkReferences(types: Btf): void {
  for (let id: u32 = 1; id < types.count; id++) {
    if (!referencesExist(types, id)) {
      return fail("BTF type " + id.toString() + " refers to a type that does not exist");
    }
  }
}

function referencesExist(types: Btf, id: u32): bool {
  const kind = types.kind(id);
  const count = types.count;
  if (types.nameOffset(id) >= types.stringsSize) return false;
  switch (kind) {
    case PTR: case TYPEDEF: case VOLATILE: case CONST: case RESTRICT: case TYPE_TAG:
    case VAR: case FUNC: case DECL_TAG:
      return types.sizeOrType(id) < count;
    case ARRAY:
      return types.arrayElement(id) < count && load<u32>(types.items(id) + 4) < count;
    case FUNC_PROTO:
      return types.sizeOrType(id) < count && listReferences(types, id, 8, 4);
    case STRUCT: case UNION:
      return listReferences(types, id, 12, 4);
    case DATASEC:
      return listReferences(types, id, 12, 0);
    default:
      return true;
  }
}

function listReferences(types: Btf, id: u32, stride: u32, at: u32): bool {
  const n = types.vlen(id);
  const items = types.items(id);
  for (let i: u32 = 0; i < n; i++) {
    if (load<u32>(items + i * stride + at) >= types.count) return false;
  }
  return true;
}

/** The BTF of an object that has none: only void. */
export function noBtf(): Btf {
  const types = new Btf();
  types.heads = new StaticArray<usize>(1);
  types.heads[0] = heap.alloc(16);
  memory.fill(types.heads[0], 0, 16);
  return types;
}
