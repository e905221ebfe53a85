/**
 * The object's BTF made acceptable to the kernel: the compiler leaves sizes of data sections and offsets of
 * variables open, and describes externs that the kernel only takes as ordinary variables and functions.
 */
import { Btf, DATASEC, FUNC, FUNC_PROTO, INT, VAR } from "./btf";
import { fail } from "./fault";
import { ObjectFile } from "./object";
import { Text } from "./text";

const LINKAGE_STATIC: u32 = 0;
const LINKAGE_GLOBAL: u32 = 1;
const LINKAGE_EXTERN: u32 = 2;
const DUMMY_NAME = "dummy_ksym";

/** Variables get their offsets, sections their sizes, in place. Before data sections and maps are read. */
export function fixSections(object: ObjectFile): void {
  const types = object.types;
  for (let id: u32 = 1; id < types.count; id++) {
    if (types.kind(id) == DATASEC) fixSection(object, id);
  }
}

function fixSection(object: ObjectFile, id: u32): void {
  const types = object.types;
  const name = types.name(id);
  if (name.is(".ksyms") || name.is(".kconfig")) return;
  let size: u32 = 0;
  let found = false;
  for (let i = 0; i < object.elf.sections.length; i++) {
    if (!object.elf.sections[i].name.same(name)) continue;
    size = object.elf.sections[i].memory;
    found = true;
    break;
  }
  const open = types.sizeOrType(id) == 0;
  if (!found || (open && size == 0)) return;
  if (open) store<u32>(types.head(id) + 8, size);
  const n = types.vlen(id);
  for (let i: u32 = 0; i < n; i++) fixVariable(object, types.items(id) + i * 12, open);
  sortVariables(types.items(id), n);
}

function fixVariable(object: ObjectFile, item: usize, open: bool): void {
  const types = object.types;
  const id = load<u32>(item);
  if (types.kind(id) != VAR || load<u32>(types.items(id)) != LINKAGE_GLOBAL) return;
  const symbol = object.elf.variable(types.name(id));
  if (symbol == null) return;
  if (open) store<u32>(item + 4, symbol.value);
  if (symbol.hidden) store<u32>(types.items(id), LINKAGE_STATIC);
}

/** The kernel wants the variables of a section by offset. Insertion sort: the compiler's order is nearly right. */
function sortVariables(items: usize, n: u32): void {
  for (let i: u32 = 1; i < n; i++) {
    const type = load<u32>(items + i * 12);
    const offset = load<u32>(items + i * 12 + 4);
    const size = load<u32>(items + i * 12 + 8);
    let at = i;
    while (at > 0 && load<u32>(items + (at - 1) * 12 + 4) > offset) {
      memory.copy(items + at * 12, items + (at - 1) * 12, 12);
      at--;
    }
    store<u32>(items + at * 12, type);
    store<u32>(items + at * 12 + 4, offset);
    store<u32>(items + at * 12 + 8, size);
  }
}

/** Sub-programs hidden from other objects are static for the verifier: it then follows them from each caller. */
export function fixHiddenFunctions(object: ObjectFile): void {
  const types = object.types;
  for (let i = 0; i < object.functions.length; i++) {
    const one = object.functions[i];
    if (!one.hidden || one.isLocal || one.section != object.textIndex) continue;
    const id = types.find(FUNC, one.name);
    if (id != 0 && types.vlen(id) == LINKAGE_GLOBAL) setVlen(types, id, LINKAGE_STATIC);
  }
}

function setVlen(types: Btf, id: u32, value: u32): void {
  const at = types.head(id) + 4;
  store<u32>(at, (load<u32>(at) & 0xffff0000) | value);
}

/** The blob to hand to the kernel: externs turned into ordinary things, one dummy variable added for functions. */
export function loadableBlob(object: ObjectFile): Text {
  const types = object.types;
  const ksyms = sectionNamed(types, ".ksyms");
  fixKconfig(object);
  if (ksyms == 0) return types.blob;
  const intId = findInt(types);
  const extended = extend(types, intId);
  fixKsyms(object, extended, ksyms);
  return extended.blob;
}

function sectionNamed(types: Btf, name: string): u32 {
  for (let id: u32 = 1; id < types.count; id++) {
    if (types.kind(id) == DATASEC && types.name(id).is(name)) return id;
  }
  return 0;
}

function fixKconfig(object: ObjectFile): void {
  const types = object.types;
  const id = sectionNamed(types, ".kconfig");
  if (id == 0) return;
  let total: u32 = 0;
  const n = types.vlen(id);
  for (let i: u32 = 0; i < n; i++) {
    const item = types.items(id) + i * 12;
    for (let e = 0; e < object.externs.length; e++) {
      const one = object.externs[e];
      if (one.typeId != load<u32>(item)) continue;
      store<u32>(item + 4, one.offset);
      total = max(total, one.offset + one.size);
      store<u32>(types.items(one.typeId), LINKAGE_GLOBAL);
    }
  }
  store<u32>(types.head(id) + 8, total);
  sortVariables(types.items(id), n);
}

/** A 4-byte INT, 0 when the object has none. */
function findInt(types: Btf): u32 {
  for (let id: u32 = 1; id < types.count; id++) {
    if (types.kind(id) == INT && types.sizeOrType(id) == 4 && load<u32>(types.items(id)) << 8 == 32 << 8) return id;
  }
  return 0;
}

/** A copy with room for `int` (when missing), `dummy_ksym` and its name; ids of old types stay. */
function extend(types: Btf, intId: u32): Btf {
  const extraTypes: u32 = intId == 0 ? 32 : 16;
  const extraStrings = <u32>DUMMY_NAME.length + 1;
  const size = 24 + types.typesSize + extraTypes + types.stringsSize + extraStrings;
  const blob = heap.alloc(size);
  const start = types.blob.ptr + types.headerSize + load<u32>(types.blob.ptr + 8);
  memory.fill(blob, 0, 24);
  store<u32>(blob, load<u32>(types.blob.ptr));
  store<u32>(blob + 4, 24);
  store<u32>(blob + 12, types.typesSize + extraTypes);
  store<u32>(blob + 16, types.typesSize + extraTypes);
  store<u32>(blob + 20, types.stringsSize + extraStrings);
  memory.copy(blob + 24, start, types.typesSize);
  let at = blob + 24 + types.typesSize;
  const name = types.stringsSize;
  if (intId == 0) {
    writeType(at, name, (INT << 24), 4, (1 << 24) | 32);
    intId = types.count;
    at += 16;
  }
  writeType(at, name, (VAR << 24), intId, LINKAGE_GLOBAL);
  at += 16;
  memory.copy(at, types.strings, types.stringsSize);
  at += types.stringsSize;
  for (let i = 0; i < DUMMY_NAME.length; i++) store<u8>(at + i, <u8>DUMMY_NAME.charCodeAt(i));
  store<u8>(at + DUMMY_NAME.length, 0);
  return reindex(types, new Text(blob, size), intId);
}

function writeType(at: usize, name: u32, info: u32, sizeOrType: u32, tail: u32): void {
  store<u32>(at, name);
  store<u32>(at + 4, info);
  store<u32>(at + 8, sizeOrType);
  store<u32>(at + 12, tail);
}

function reindex(old: Btf, blob: Text, intId: u32): Btf {
  const out = new Btf();
  const start = old.blob.ptr + old.headerSize + load<u32>(old.blob.ptr + 8);
  out.blob = blob;
  out.headerSize = 24;
  out.typesSize = load<u32>(blob.ptr + 12);
  out.strings = blob.ptr + 24 + load<u32>(blob.ptr + 16);
  out.stringsSize = load<u32>(blob.ptr + 20);
  out.count = max(old.count, intId + 1) + 1;
  out.heads = new StaticArray<usize>(out.count);
  out.heads[0] = old.heads[0];
  for (let id: u32 = 1; id < old.count; id++) out.heads[id] = old.heads[id] - start + blob.ptr + 24;
  let at = blob.ptr + 24 + old.typesSize;
  for (let id = old.count; id < out.count; id++, at += 16) out.heads[id] = at;
  return out;
}

/** Functions in .ksyms become the dummy variable, variables become ints; prototypes get parameter names. */
function fixKsyms(object: ObjectFile, types: Btf, section: u32): void {
  const dummy = types.count - 1;
  const intId = types.sizeOrType(dummy);
  const n = types.vlen(section);
  for (let i: u32 = 0; i < n; i++) {
    const item = types.items(section) + i * 12;
    const id = load<u32>(item);
    if (types.kind(id) == FUNC) {
      if (types.vlen(id) == LINKAGE_EXTERN) setVlen(types, id, LINKAGE_GLOBAL);
      nameParameters(types, types.sizeOrType(id), types.nameOffset(dummy));
      store<u32>(item, dummy);
    } else if (types.kind(id) == VAR) {
      store<u32>(types.items(id), LINKAGE_GLOBAL);
      store<u32>(types.head(id) + 8, intId);
    } else {
      return fail("section .ksyms holds neither function nor variable");
    }
    store<u32>(item + 4, i * 4);
    store<u32>(item + 8, 4);
  }
  store<u32>(types.head(section) + 8, n * 4);
}

function nameParameters(types: Btf, prototype: u32, name: u32): void {
  if (types.kind(prototype) != FUNC_PROTO) return;
  const n = types.vlen(prototype);
  for (let i: u32 = 0; i < n; i++) {
    const item = types.items(prototype) + i * 8;
    if (load<u32>(item) == 0 && load<u32>(item + 4) != 0) store<u32>(item, name);
  }
}
