/** `extern … __kconfig` and `extern … __ksym`: what the kernel, not the object, defines. */
import { ARRAY, Btf, DATASEC, FUNC, VAR } from "./btf";
import { STB_WEAK } from "./elf";
import { fail, hasFault } from "./fault";
import { Extern, KCONFIG_MAP, MapDef, ObjectFile } from "./object";
import { Text, textUntilNul } from "./text";

const LINKAGE_EXTERN: u32 = 2;
const MAP_TYPE_ARRAY: u32 = 2;

/** Fills `object.externs`, lays out the .kconfig map and adds it. */
export function readExterns(object: ObjectFile): void {
  const symbols = object.elf.symbols;
  for (let i = 0; i < symbols.length && !hasFault(); i++) {
    if (!symbols[i].isExtern() || symbols[i].name.len == 0) continue;
    const one = new Extern();
    one.name = symbols[i].name;
    one.symbolIndex = i;
    one.weak = symbols[i].bind == STB_WEAK;
    describe(object.types, one);
    object.externs.push(one);
  }
  if (hasFault()) return;
  object.externs.sort(compareExterns);
  layOutKconfig(object);
}

function describe(types: Btf, one: Extern): void {
  for (let id: u32 = 1; id < types.count; id++) {
    const kind = types.kind(id);
    if (kind != VAR && kind != FUNC) continue;
    const linkage = kind == VAR ? load<u32>(types.items(id)) : types.vlen(id);
    if (linkage != LINKAGE_EXTERN || !types.name(id).same(one.name)) continue;
    one.typeId = id;
    one.isFunction = kind == FUNC;
    one.valueType = kind == FUNC ? types.sizeOrType(id) : types.resolve(types.sizeOrType(id));
    return describeSection(types, one);
  }
  fail("extern " + one.name.show() + " has no BTF");
}

function describeSection(types: Btf, one: Extern): void {
  const section = sectionOf(types, one.typeId);
  if (section.is(".ksyms")) return;
  if (!section.is(".kconfig")) return fail("extern " + one.name.show() + " is neither __kconfig nor __ksym");
  one.isKconfig = true;
  const declared = types.sizeOrType(one.typeId);
  const size = types.sizeOf(declared);
  if (one.isFunction || size <= 0) return fail("extern " + one.name.show() + " has no size");
  one.size = <u32>size;
  one.align = types.alignOf(declared);
  const plain = types.kind(one.valueType) == ARRAY || one.align != 0;
  if (!plain) fail("extern " + one.name.show() + " has a type that no kernel setting can have");
}

function sectionOf(types: Btf, id: u32): Text {
  for (let section: u32 = 1; section < types.count; section++) {
    if (types.kind(section) != DATASEC) continue;
    const n = types.vlen(section);
    for (let i: u32 = 0; i < n; i++) {
      if (load<u32>(types.items(section) + i * 12) == id) return types.name(section);
    }
  }
  return new Text(0, 0);
}

/** The order libbpf documents for the layout of .kconfig: large alignment first, then small size, then name. */
function compareExterns(a: Extern, b: Extern): i32 {
  if (a.isKconfig != b.isKconfig) return a.isKconfig ? -1 : 1;
  if (a.isKconfig && a.align != b.align) return a.align > b.align ? -1 : 1;
  if (a.isKconfig && a.size != b.size) return a.size < b.size ? -1 : 1;
  const order = memory.compare(a.name.ptr, b.name.ptr, min(a.name.len, b.name.len));
  if (order != 0) return order;
  return a.name.len < b.name.len ? -1 : a.name.len > b.name.len ? 1 : 0;
}

function layOutKconfig(object: ObjectFile): void {
  let at: u32 = 0;
  for (let i = 0; i < object.externs.length; i++) {
    const one = object.externs[i];
    if (!one.isKconfig) continue;
    const align = max<u32>(one.align, 1);
    at = (at + align - 1) / align * align;
    one.offset = at;
    at += one.size;
    if (at > 1 << 20) return fail("section .kconfig is larger than 1 MiB");
  }
  if (at == 0) return;
  const map = new MapDef();
  map.name = literal(".kconfig");
  map.kind = KCONFIG_MAP;
  map.type = MAP_TYPE_ARRAY;
  map.keySize = 4;
  map.valueSize = at;
  map.maxEntries = 1;
  map.section = 0xffffffff;
  map.valueType = object.types.section(map.name);
  object.maps.push(map);
}

function literal(value: string): Text {
  const ptr = heap.alloc(value.length + 1);
  for (let i = 0; i < value.length; i++) store<u8>(ptr + i, <u8>value.charCodeAt(i));
  store<u8>(ptr + value.length, 0);
  return textUntilNul(ptr, ptr + value.length + 1);
}
