/** Functions of the executable sections, and what each of their instructions refers to. */
import { SHF_EXECINSTR, SHT_PROGBITS, SHT_REL, STB_LOCAL, STT_FUNC, STT_SECTION, Section, readRelocations, Relocation, ElfSymbol } from "./elf";
import { fail, hasFault } from "./fault";
import { Func, ObjectFile, REF_CALL, REF_DATA, REF_EXTERN, REF_EXTERN_CALL, REF_FUNCTION, REF_MAP, Ref } from "./object";

const INSN_SIZE: u32 = 8;
const OP_LD_IMM64: u32 = 0x18;
const OP_CALL: u32 = 0x85;
const MAP_TYPE_ARENA: u32 = 33;

/** Fills `object.functions` (sorted by section and start) and their references. */
export function readFunctions(object: ObjectFile): void {
  const sections = object.elf.sections;
  for (let i = 0; i < sections.length && !hasFault(); i++) {
    if (!isCode(sections[i])) continue;
    if (sections[i].name.is(".text")) object.textIndex = sections[i].index;
    readSectionFunctions(object, sections[i]);
  }
  if (hasFault()) return;
  object.functions.sort(compareFunctions);
  for (let i = 0; i < sections.length && !hasFault(); i++) {
    if (sections[i].type != SHT_REL) continue;
    const target = object.elf.section(sections[i].info);
    if (target != null && isCode(target)) readReferences(object, sections[i], target);
  }
}

function isCode(section: Section): bool {
  return section.type == SHT_PROGBITS && (section.flags & SHF_EXECINSTR) != 0 && section.size > 0;
}

function compareFunctions(a: Func, b: Func): i32 {
  if (a.section != b.section) return a.section < b.section ? -1 : 1;
  return a.start < b.start ? -1 : a.start > b.start ? 1 : 0;
}

function readSectionFunctions(object: ObjectFile, section: Section): void {
  const symbols = object.elf.symbols;
  if (section.size % INSN_SIZE != 0) return fail("section " + section.name.show() + " holds half an instruction");
  for (let i = 0; i < symbols.length && !hasFault(); i++) {
    const symbol = symbols[i];
    if (symbol.section == section.index && symbol.type == STT_FUNC) addFunction(object, section, symbol);
  }
}

function addFunction(object: ObjectFile, section: Section, symbol: ElfSymbol): void {
  const name = symbol.name.show();
  const misplaced = symbol.value % INSN_SIZE != 0 || symbol.size % INSN_SIZE != 0 || symbol.size == 0;
  if (misplaced || symbol.value > section.size || symbol.size > section.size - symbol.value) {
    return fail("function " + name + " lies outside its section");
  }
  if (symbol.bind == STB_LOCAL && !section.name.is(".text")) {
    return fail("program " + name + " in section " + section.name.show() + " is static, which can't be loaded");
  }
  const one = new Func();
  one.name = symbol.name;
  one.section = section.index;
  one.start = symbol.value / INSN_SIZE;
  one.count = symbol.size / INSN_SIZE;
  one.code = section.ptr + symbol.value;
  one.hidden = symbol.hidden;
  one.isLocal = symbol.bind == STB_LOCAL;
  object.functions.push(one);
}

function readReferences(object: ObjectFile, relocations: Section, code: Section): void {
  const list = readRelocations(object.elf, relocations);
  let at = 0;
  // Functions and relocations are both sorted by position: one walk over both.
  for (let i = 0; i < object.functions.length && !hasFault(); i++) {
    const one = object.functions[i];
    if (one.section != code.index) continue;
    while (at < list.length && list[at].offset / INSN_SIZE < one.start) at++;
    let next = at;
    while (next < list.length && list[next].offset / INSN_SIZE < one.start + one.count && !hasFault()) {
      addReference(object, one, list[next]);
      next++;
    }
    at = next;
  }
}

function addReference(object: ObjectFile, one: Func, relocation: Relocation): void {
  if (relocation.offset % INSN_SIZE != 0) return fail("a relocation points into the middle of an instruction");
  const ref = new Ref();
  ref.insn = relocation.offset / INSN_SIZE - one.start;
  const insn = one.code + ref.insn * INSN_SIZE;
  const symbol = object.symbol(relocation.symbolIndex);
  const opcode = <u32>load<u8>(insn);
  if (opcode != OP_CALL && opcode != OP_LD_IMM64) {
    return fail("function " + one.name.show() + ": instruction " + ref.insn.toString() + " can't be relocated");
  }
  if (opcode == OP_LD_IMM64 && ref.insn + 1 >= one.count) return fail("a 16-byte instruction is cut");
  if (symbol.isExtern()) referToExtern(object, ref, relocation.symbolIndex, opcode);
  else if (opcode == OP_CALL) referToCall(object, ref, symbol, insn);
  else referToSymbol(object, ref, symbol, one);
  if (!hasFault()) one.refs.push(ref);
}

function referToExtern(object: ObjectFile, ref: Ref, symbolIndex: u32, opcode: u32): void {
  const index = object.externOf(symbolIndex);
  if (index < 0) return fail("an instruction refers to an unknown extern");
  ref.kind = opcode == OP_CALL ? REF_EXTERN_CALL : REF_EXTERN;
  ref.index = index;
}

function referToCall(object: ObjectFile, ref: Ref, symbol: ElfSymbol, insn: usize): void {
  const sourceRegister = load<u8>(insn + 1) >> 4;
  if (sourceRegister != 1) return fail("a call to a function is not marked as such");
  if (symbol.section == 0 || symbol.section != object.textIndex) {
    return fail("a call to " + symbol.name.show() + ", which is not in .text");
  }
  ref.kind = REF_CALL;
  ref.offset = symbol.value;
}

function referToSymbol(object: ObjectFile, ref: Ref, symbol: ElfSymbol, one: Func): void {
  const section = object.elf.section(symbol.section);
  if (section == null || symbol.section == 0) {
    return fail("function " + one.name.show() + " refers to " + symbol.name.show() + ", which is not defined");
  }
  ref.offset = symbol.value;
  const isText = symbol.section == object.textIndex && object.textIndex != 0;
  if (isText && (symbol.type == STT_FUNC || symbol.type == STT_SECTION)) {
    ref.kind = REF_FUNCTION;
    return;
  }
  let map: i32;
  if (section.name.is(".maps")) {
    map = object.mapAt(symbol.section, symbol.value);
    ref.kind = REF_MAP;
    ref.offset = 0;
  } else {
    map = section.name.is(".addr_space.1") ? object.mapOfType(MAP_TYPE_ARENA) : object.mapOfSection(symbol.section);
    ref.kind = REF_DATA;
  }
  if (map < 0) return fail("function " + one.name.show() + " refers to " + symbol.name.show() + " in section " + section.name.show() + ", which is no data");
  ref.index = map;
}
