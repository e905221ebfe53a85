/** The running kernel's types with an index by essential name (the part before a `___flavor`). */
import { Btf } from "./btf";
import { Text } from "./text";

const BUCKETS: u32 = 1 << 16;

/** Length of a name without its flavor: `task_struct___old` counts as `task_struct`. */
export function essentialLength(name: Text): u32 {
  if (name.len < 5) return name.len;
  for (let i: i32 = <i32>name.len - 5; i >= 0; i--) {
    const at = name.ptr + i;
    const isSeparator = load<u8>(at) != 95 && load<u8>(at + 1) == 95 && load<u8>(at + 2) == 95 && load<u8>(at + 3) == 95 && load<u8>(at + 4) != 95;
    if (isSeparator) return i + 1;
  }
  return name.len;
}

/** The name without its flavor. */
export function essential(name: Text): Text {
  return new Text(name.ptr, essentialLength(name));
}

/** The running kernel's types, indexed by essential name. */
export class Target {
  types: Btf;
  heads: StaticArray<u32> = new StaticArray<u32>(BUCKETS);
  next: StaticArray<u32>;

  constructor(types: Btf) {
    this.types = types;
    this.next = new StaticArray<u32>(types.count);
    // From the end, so that each chain runs in order of ids.
    for (let id = types.count - 1; id > 0; id--) {
      if (types.nameOffset(id) == 0) continue;
      const bucket = hash(types.strings + types.nameOffset(id));
      unchecked((this.next[id] = this.heads[bucket]));
      unchecked((this.heads[bucket] = id));
    }
  }

  /** First type of the chain that may bear that essential name, 0 = none; go on with `next`. */
  first(name: Text): u32 {
    // The name is hashed as a terminated copy: it may be the front of a longer one.
    const copy = heap.alloc(name.len + 1);
    memory.copy(copy, name.ptr, name.len);
    store<u8>(copy + name.len, 0);
    return this.heads[hash(copy)];
  }
}

/** FNV-1a over the essential part of a NUL-terminated name: stops at a flavor's separator. */
function hash(start: usize): u32 {
  let h: u32 = 0x811c9dc5;
  let p = start;
  let c = <u32>load<u8>(p);
  while (c != 0) {
    h = (h ^ c) * 0x01000193;
    p++;
    if (c != 95 && load<u8>(p) == 95 && load<u8>(p + 1) == 95 && load<u8>(p + 2) == 95 && load<u8>(p + 3) != 95 && load<u8>(p + 3) != 0) break;
    c = <u32>load<u8>(p);
  }
  return (h ^ (h >> 16)) & (BUCKETS - 1);
}

/** Id of the target's type of exactly that name and kind, 0 when there is none. */
export function namesType(target: Target, name: Text, kind: u32): u32 {
  for (let id = target.first(essential(name)); id != 0; id = target.next[id]) {
    if (target.types.kind(id) == kind && target.types.name(id).same(name)) return id;
  }
  return 0;
}
