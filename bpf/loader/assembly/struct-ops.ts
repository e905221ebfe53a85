/** `.struct_ops` sections: variables of a kernel struct whose function pointers are programs of the object. */
import { VAR } from "./btf";
import { SHT_REL, Section, readRelocations } from "./elf";
import { ObjectFile } from "./object";
import { Tape } from "./tape";

/** Writes every struct_ops variable: name, section, type id, contents, then (offset, program) pairs. */
export function writeStructOps(tape: Tape, object: ObjectFile): void {
  const countAt = tape.here();
  let total: u32 = 0;
  tape.u32(0);
  const sections = object.elf.sections;
  for (let i = 0; i < sections.length; i++) {
    if (isStructOps(sections[i])) total += writeSection(tape, object, sections[i]);
  }
  tape.patch(countAt, total);
}

function isStructOps(section: Section): bool {
  const name = section.name.at(0) == 63 ? section.name.after(1) : section.name;
  return section.size > 0 && (name.is(".struct_ops") || name.is(".struct_ops.link"));
}

function writeSection(tape: Tape, object: ObjectFile, section: Section): u32 {
  const types = object.types;
  const id = types.section(section.name);
  const n: u32 = id == 0 ? 0 : types.vlen(id);
  let total: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const item = types.items(id) + i * 12;
    const variable = load<u32>(item);
    const offset = load<u32>(item + 4);
    const struct = types.resolve(types.sizeOrType(variable));
    const size = types.isComposite(struct) ? types.sizeOrType(struct) : 0;
    if (types.kind(variable) != VAR || offset > section.size || size > section.size - offset) continue;
    tape.text(types.name(variable));
    tape.text(section.name);
    tape.u32(struct);
    tape.bytes(section.ptr + offset, size);
    writePrograms(tape, object, section, offset, size);
    total++;
  }
  return total;
}

function writePrograms(tape: Tape, object: ObjectFile, section: Section, offset: u32, size: u32): void {
  const countAt = tape.here();
  let total: u32 = 0;
  tape.u32(0);
  const sections = object.elf.sections;
  for (let i = 0; i < sections.length; i++) {
    if (sections[i].type != SHT_REL || sections[i].info != section.index) continue;
    const list = readRelocations(object.elf, sections[i]);
    for (let r = 0; r < list.length; r++) {
      if (list[r].offset < offset || list[r].offset - offset >= size) continue;
      tape.u32(list[r].offset - offset);
      tape.text(object.symbol(list[r].symbolIndex).name);
      total++;
    }
  }
  tape.patch(countAt, total);
}
