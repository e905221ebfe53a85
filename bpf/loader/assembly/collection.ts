/** The story of reading an object: types, sections, maps, externs, functions, linking; then the tape in that order. */
import { Btf, DATASEC, VAR, readBtf } from "./btf";
import { readBtfExt } from "./btf-ext";
import { fixHiddenFunctions, fixSections, loadableBlob } from "./btf-fixup";
import { readDataSections } from "./data-sections";
import { ElfFile } from "./elf";
import { readExterns } from "./externs";
import { fail, hasFault } from "./fault";
import { readFunctions } from "./functions";
import { Linked, linkProgram, release, resetBudget, writeRecords } from "./link";
import { readMaps } from "./map-defs";
import { Func, MapDef, ObjectFile, REF_CALL, REF_FUNCTION, USER_MAP } from "./object";
import { writeStructOps } from "./struct-ops";
import { Tape } from "./tape";
import { Text, noText, textUntilNul } from "./text";
import { writeTypes } from "./types-out";

const LARGEST_MAP_VALUE: u32 = 1 << 30;

/** Reads everything of `elf` and writes the collection. Reader: src/core/parse.ts. */
export function writeCollection(tape: Tape, elf: ElfFile): void {
  const object = new ObjectFile(elf);
  readTypes(object);
  if (!hasFault()) fixSections(object);
  if (!hasFault()) readMaps(object);
  if (!hasFault()) readDataSections(object);
  if (!hasFault()) readExterns(object);
  if (!hasFault()) readFunctions(object);
  if (hasFault()) return;
  fixHiddenFunctions(object);
  writeLicense(tape, elf);
  writeTypes(tape, object.types);
  writeMaps(tape, object);
  writeVariables(tape, object);
  writeExterns(tape, object);
  writeStructOps(tape, object);
  writePrograms(tape, object);
  // Last, because it turns externs into something else.
  if (!hasFault()) tape.text(object.hasBtf ? loadableBlob(object) : noText());
}

function readTypes(object: ObjectFile): void {
  const section = object.elf.named(".BTF");
  if (section == null || section.size == 0) return;
  object.types = readBtf(section.ptr, section.size);
  object.hasBtf = true;
  const ext = object.elf.named(".BTF.ext");
  if (!hasFault() && ext != null) object.ext = readBtfExt(new Text(ext.ptr, ext.size), object.types);
}

function writeLicense(tape: Tape, elf: ElfFile): void {
  const license = elf.named("license");
  tape.text(license == null ? noText() : textUntilNul(license.ptr, license.ptr + license.size));
  const version = elf.named("version");
  tape.u32(version != null && version.size == 4 ? load<u32>(version.ptr) : 0);
}

function writeMaps(tape: Tape, object: ObjectFile): void {
  tape.u32(object.maps.length);
  for (let i = 0; i < object.maps.length; i++) {
    const map = object.maps[i];
    writeMap(tape, map);
    tape.u32(map.inner != null ? 1 : 0);
    const inner = map.inner;
    if (inner != null) writeMap(tape, inner);
    tape.u32(map.slots.length);
    for (let s = 0; s < map.slots.length; s++) {
      tape.u32(map.slots[s].index);
      tape.text(map.slots[s].target);
    }
    tape.text(map.data);
    tape.u32(isMappable(object.types, map) ? 1 : 0);
  }
}

function writeMap(tape: Tape, map: MapDef): void {
  if (map.kind != USER_MAP && map.valueSize > LARGEST_MAP_VALUE) fail("a data section is larger than 1 GiB");
  tape.text(map.name);
  tape.u32(map.kind);
  tape.u32(map.type);
  tape.u32(map.keySize);
  tape.u32(map.valueSize);
  tape.u32(map.maxEntries);
  tape.u32(map.flags);
  tape.u32(map.numaNode);
  tape.u64(map.extra);
  tape.u32(map.pinning);
  tape.u32(map.keyType);
  tape.u32(map.valueType);
}

/** A data section with a variable visible from outside may be mapped by user space. */
function isMappable(types: Btf, map: MapDef): bool {
  if (map.kind == USER_MAP || map.valueType == 0) return false;
  const n = types.vlen(map.valueType);
  for (let i: u32 = 0; i < n; i++) {
    const id = load<u32>(types.items(map.valueType) + i * 12);
    if (types.kind(id) == VAR && load<u32>(types.items(id)) != 0) return true;
  }
  return false;
}

/** Map number, name, offset, size, type id of every variable of a data section. */
function writeVariables(tape: Tape, object: ObjectFile): void {
  const types = object.types;
  const countAt = tape.here();
  let total: u32 = 0;
  tape.u32(0);
  for (let m = 0; m < object.maps.length; m++) {
    const section = object.maps[m].kind == USER_MAP ? 0 : object.maps[m].valueType;
    if (types.kind(section) != DATASEC) continue;
    const n = types.vlen(section);
    for (let i: u32 = 0; i < n; i++) {
      const item = types.items(section) + i * 12;
      const id = load<u32>(item);
      const offset = load<u32>(item + 4);
      const size = load<u32>(item + 8);
      const limit = object.maps[m].valueSize;
      if (types.kind(id) != VAR || offset > limit || size > limit - offset) continue;
      tape.u32(m);
      tape.text(types.name(id));
      tape.u32(offset);
      tape.u32(size);
      tape.u32(types.sizeOrType(id));
      total++;
    }
  }
  tape.patch(countAt, total);
}

function writeExterns(tape: Tape, object: ObjectFile): void {
  tape.u32(object.externs.length);
  for (let i = 0; i < object.externs.length; i++) {
    const one = object.externs[i];
    tape.text(one.name);
    tape.u32((one.weak ? 1 : 0) | (one.isFunction ? 2 : 0) | (one.isKconfig ? 4 : 0));
    tape.u32(one.typeId);
    tape.u32(one.valueType);
    tape.u32(one.size);
    tape.u32(one.offset);
  }
}

function writePrograms(tape: Tape, object: ObjectFile): void {
  const countAt = tape.here();
  let total: u32 = 0;
  tape.u32(0);
  resetBudget();
  for (let i = 0; i < object.functions.length && !hasFault(); i++) {
    const main = object.functions[i];
    if (main.section == object.textIndex && object.textIndex != 0) continue;
    writeProgram(tape, object, main);
    total++;
  }
  tape.patch(countAt, total);
}

function writeProgram(tape: Tape, object: ObjectFile, main: Func): void {
  const linked = linkProgram(object, main);
  if (hasFault()) return;
  tape.text(main.name);
  tape.text(object.elf.sections[main.section].name);
  tape.bytes(linked.code, linked.count * 8);
  writeReferences(tape, linked);
  writeRecords(tape, object, linked, object.ext.relocations, 4);
  writeRecords(tape, object, linked, object.ext.functions, 2);
  writeRecords(tape, object, linked, object.ext.lines, 4);
  release(linked);
}

function writeReferences(tape: Tape, linked: Linked): void {
  const countAt = tape.here();
  let total: u32 = 0;
  tape.u32(0);
  for (let f = 0; f < linked.placed.length; f++) {
    const func = linked.placed[f];
    for (let r = 0; r < func.refs.length; r++) {
      const ref = func.refs[r];
      if (ref.kind == REF_CALL || ref.kind == REF_FUNCTION) continue;
      tape.u32(ref.insn + func.placed);
      tape.u32(ref.kind);
      tape.u32(ref.index);
      tape.u32(ref.offset);
      total++;
    }
  }
  tape.patch(countAt, total);
}
