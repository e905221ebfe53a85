/** `.maps` definitions: a struct per map whose field types carry the values (libbpf's documented convention). */
import { ARRAY, Btf, ENUM, ENUM64, FUNC_PROTO, PTR, STRUCT, VAR } from "./btf";
import { readRelocations, SHT_REL } from "./elf";
import { fail, hasFault } from "./fault";
import { MapDef, ObjectFile, Slot } from "./object";
import { Text } from "./text";

/** A map whose values are maps or programs holds their descriptors: four bytes. */
const DESCRIPTOR_SIZE: u32 = 4;

/** Reads every map of the `.maps` section into `object.maps`. */
export function readMaps(object: ObjectFile): void {
  if (object.elf.named("maps") != null) {
    return fail("legacy map definitions (section \"maps\") are not supported: use SEC(\".maps\") with BTF");
  }
  const section = object.elf.named(".maps");
  if (section == null) return;
  const id = object.types.section(section.name);
  if (id == 0) return fail("section .maps has no BTF (compile with -g)");
  const items = object.types.items(id);
  const n = object.types.vlen(id);
  for (let i: u32 = 0; i < n && !hasFault(); i++) {
    readMapVariable(object, load<u32>(items + i * 12), section.index);
  }
  if (!hasFault()) readSlots(object, section.index);
}

function readMapVariable(object: ObjectFile, id: u32, section: u32): void {
  const types = object.types;
  if (types.kind(id) != VAR) return fail("section .maps holds something that is no variable");
  const name = types.name(id);
  const symbol = object.elf.variable(name);
  const struct = types.resolve(types.sizeOrType(id));
  if (types.kind(struct) != STRUCT) return fail("map " + name.show() + " is not defined by a struct");
  if (symbol == null || symbol.section != section) return fail("map " + name.show() + " has no symbol");
  const map = new MapDef();
  map.name = name;
  map.section = section;
  map.offset = symbol.value;
  map.size = types.sizeOrType(struct);
  readFields(types, struct, map, false);
  object.maps.push(map);
}

function readFields(types: Btf, struct: u32, map: MapDef, inner: bool): void {
  const n = types.vlen(struct);
  for (let i: u32 = 0; i < n && !hasFault(); i++) readField(new Field(types, struct, i), map, inner);
}

/** One member of the definition. */
class Field {
  types: Btf;
  name: Text;
  type: u32;
  byteOffset: u32;

  constructor(types: Btf, struct: u32, i: u32) {
    this.types = types;
    this.name = types.memberName(struct, i);
    this.type = types.resolve(types.memberType(struct, i));
    this.byteOffset = types.memberBitOffset(struct, i) / 8;
  }

  /** The number of `__uint(name, N)` (pointer to an array of N) or `__ulong(name, N)` (an enum of one value). */
  number(): u64 {
    const kind = this.types.kind(this.type);
    if ((kind == ENUM || kind == ENUM64) && this.types.vlen(this.type) == 1) {
      return this.types.enumValue(this.type, 0);
    }
    const array = kind == PTR ? this.types.resolve(this.types.sizeOrType(this.type)) : 0;
    if (this.types.kind(array) != ARRAY) fail("map field " + this.name.show() + " is not a number");
    else return this.types.arrayLength(array);
    return 0;
  }

  /** The T of `__type(name, T)`, unresolved. */
  pointee(): u32 {
    if (this.types.kind(this.type) == PTR) return this.types.sizeOrType(this.type);
    fail("map field " + this.name.show() + " is not a type");
    return 0;
  }

  sizeOf(id: u32): u32 {
    const size = this.types.sizeOf(id);
    if (size < 0) fail("map field " + this.name.show() + " has a type without size");
    return <u32>size;
  }
}

function readField(field: Field, map: MapDef, inner: bool): void {
  const name = field.name;
  if (name.is("type")) map.type = <u32>field.number();
  else if (name.is("max_entries")) map.maxEntries = <u32>field.number();
  else if (name.is("map_flags")) map.flags = <u32>field.number();
  else if (name.is("numa_node")) map.numaNode = <u32>field.number();
  else if (name.is("map_extra")) map.extra = field.number();
  else if (name.is("key_size")) setKey(map, <u32>field.number(), 0);
  else if (name.is("value_size")) setValue(map, <u32>field.number(), 0);
  else if (name.is("key")) setKey(map, field.sizeOf(field.pointee()), field.pointee());
  else if (name.is("value")) setValue(map, field.sizeOf(field.pointee()), field.pointee());
  else if (name.is("values")) readValues(field, map, inner);
  else if (name.is("pinning")) setPinning(map, <u32>field.number(), inner);
  else fail("map " + map.name.show() + " has the unknown field " + name.show());
}

function setKey(map: MapDef, size: u32, type: u32): void {
  if (map.keySize != 0 && map.keySize != size) fail("map " + map.name.show() + " has two key sizes");
  map.keySize = size;
  if (type != 0) map.keyType = type;
}

function setValue(map: MapDef, size: u32, type: u32): void {
  if (map.valueSize != 0 && map.valueSize != size) fail("map " + map.name.show() + " has two value sizes");
  map.valueSize = size;
  if (type != 0) map.valueType = type;
}

function setPinning(map: MapDef, value: u32, inner: bool): void {
  if (inner) return fail("an inner map can't be pinned");
  if (value > 1) return fail("map " + map.name.show() + " has an unknown kind of pinning");
  map.pinning = value;
}

/** `__array(values, T)`: T is an inner map's struct or a program's prototype. */
function readValues(field: Field, map: MapDef, inner: bool): void {
  const types = field.types;
  if (inner) return fail("maps nest only once");
  const array = field.type;
  const pointer = types.kind(array) == ARRAY ? types.resolve(types.arrayElement(array)) : 0;
  if (types.kind(pointer) != PTR) return fail("field values of map " + map.name.show() + " is not an array of pointers");
  setValue(map, DESCRIPTOR_SIZE, 0);
  map.valuesAt = <i32>field.byteOffset;
  const target = types.resolve(types.sizeOrType(pointer));
  if (types.kind(target) == FUNC_PROTO) return;
  if (types.kind(target) != STRUCT) return fail("field values of map " + map.name.show() + " is neither map nor program");
  const template = new MapDef();
  template.name = map.name;
  readFields(types, target, template, true);
  map.inner = template;
}

/** Static initialisers: each relocation of .maps fills one slot of a `values` array. */
function readSlots(object: ObjectFile, section: u32): void {
  const sections = object.elf.sections;
  for (let i = 0; i < sections.length && !hasFault(); i++) {
    if (sections[i].type != SHT_REL || sections[i].info != section) continue;
    const relocations = readRelocations(object.elf, sections[i]);
    for (let r = 0; r < relocations.length && !hasFault(); r++) {
      readSlot(object, relocations[r].offset, object.symbol(relocations[r].symbolIndex).name);
    }
  }
}

function readSlot(object: ObjectFile, offset: u32, target: Text): void {
  for (let m = 0; m < object.maps.length; m++) {
    const map = object.maps[m];
    const first = map.offset + <u32>max(map.valuesAt, 0);
    const within = map.valuesAt >= 0 && offset >= first && map.offset <= offset;
    // The flexible array lies behind the struct, so the next map's start bounds it, not the struct's size.
    if (!within || nextStart(object, map.offset) <= offset) continue;
    const slot = new Slot();
    slot.index = (offset - first) / 8;
    slot.target = target;
    map.slots.push(slot);
    return;
  }
  fail("an initialiser of section .maps belongs to no map");
}

function nextStart(object: ObjectFile, offset: u32): u32 {
  let next: u32 = 0xffffffff;
  for (let m = 0; m < object.maps.length; m++) {
    const start = object.maps[m].offset;
    if (start > offset && start < next) next = start;
  }
  return next;
}
