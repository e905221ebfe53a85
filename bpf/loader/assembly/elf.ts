/** ELF64 little-endian relocatable files for BPF (System V gABI chapter 4): sections, symbols, relocations. */
import { fail, hasFault } from "./fault";
import { Text, noText, textUntilNul } from "./text";

const HEADER_SIZE: u32 = 64;
const SECTION_HEADER_SIZE: u32 = 64;
const SYMBOL_SIZE: u32 = 24;
const EM_BPF: u32 = 247;

/** SHT_PROGBITS of elf(5). */
export const SHT_PROGBITS: u32 = 1;
/** SHT_SYMTAB of elf(5). */
export const SHT_SYMTAB: u32 = 2;
/** SHT_NOBITS of elf(5). */
export const SHT_NOBITS: u32 = 8;
/** SHT_REL of elf(5). */
export const SHT_REL: u32 = 9;
/** SHF_EXECINSTR of elf(5). */
export const SHF_EXECINSTR: u64 = 4;
/** STB_LOCAL of elf(5). */
export const STB_LOCAL: u32 = 0;
/** STB_WEAK of elf(5). */
export const STB_WEAK: u32 = 2;
/** STT_NOTYPE of elf(5). */
export const STT_NOTYPE: u32 = 0;
/** STT_FUNC of elf(5). */
export const STT_FUNC: u32 = 2;
/** STT_SECTION of elf(5). */
export const STT_SECTION: u32 = 3;

/** A data section larger than this is refused: the kernel's own limit for one allocation is below it. */
const MAX_NOBITS: u64 = 1 << 30;

/** One ELF section as the loader uses it. */
export class Section {
  name: Text = noText();
  index: u32 = 0;
  type: u32 = 0;
  flags: u64 = 0;
  /** Start and length of the contents in the file; both 0 for SHT_NOBITS. */
  ptr: usize = 0;
  size: u32 = 0;
  /** Bytes it takes in memory: `size`, or more for SHT_NOBITS. */
  memory: u32 = 0;
  link: u32 = 0;
  info: u32 = 0;
}

/** One ELF symbol. */
export class ElfSymbol {
  name: Text = noText();
  section: u32 = 0;
  value: u32 = 0;
  size: u32 = 0;
  bind: u32 = 0;
  type: u32 = 0;
  /** STV_INTERNAL (1) or STV_HIDDEN (2): not visible outside this object. */
  hidden: bool = false;

  isExtern(): bool {
    return this.section == 0 && this.bind != STB_LOCAL && this.type == STT_NOTYPE;
  }
}

/** A parsed ELF64 little-endian object (elf(5)). */
export class ElfFile {
  sections: Array<Section> = new Array<Section>();
  symbols: Array<ElfSymbol> = new Array<ElfSymbol>();

  /** The first section of that name, or null. */
  named(name: string): Section | null {
    for (let i = 0; i < this.sections.length; i++) {
      if (this.sections[i].name.is(name)) return this.sections[i];
    }
    return null;
  }

  /** The section of that index, or null. */
  section(index: u32): Section | null {
    return index < <u32>this.sections.length ? this.sections[index] : null;
  }

  /** The section a symbol lies in is called so. */
  inSection(symbol: ElfSymbol, name: string): bool {
    const section = this.section(symbol.section);
    return section != null && section.name.is(name);
  }

  /** The global or weak symbol of that name that is not a function or section, or null. */
  variable(name: Text): ElfSymbol | null {
    for (let i = 0; i < this.symbols.length; i++) {
      const symbol = this.symbols[i];
      if (symbol.bind != STB_LOCAL && symbol.type != STT_FUNC && symbol.name.same(name)) return symbol;
    }
    return null;
  }
}

/** Reads section headers and symbols; a refusal is left in fault.ts. */
export function readElf(ptr: usize, size: u32): ElfFile {
  const file = new ElfFile();
  checkHeader(ptr, size);
  if (hasFault()) return file;
  readSections(file, ptr, size);
  if (!hasFault()) readSymbols(file);
  return file;
}

function checkHeader(ptr: usize, size: u32): void {
  if (size < HEADER_SIZE || load<u32>(ptr) != 0x464c457f) return fail("not an ELF file");
  if (load<u8>(ptr + 4) != 2 || load<u8>(ptr + 5) != 1) {
    return fail("not a 64 bit little-endian ELF file (compile with -target bpfel)");
  }
  if (load<u16>(ptr + 18) != EM_BPF) return fail("not compiled for the BPF machine");
  if (load<u16>(ptr + 16) != 1) fail("not a relocatable object");
}

function readSections(file: ElfFile, ptr: usize, size: u32): void {
  const offset = load<u64>(ptr + 40);
  const count = <u32>load<u16>(ptr + 60);
  if (load<u16>(ptr + 58) != SECTION_HEADER_SIZE) return fail("section headers of unknown size");
  if (offset > size || <u64>count * SECTION_HEADER_SIZE > size - offset) {
    return fail("section headers lie outside the file");
  }
  for (let i: u32 = 0; i < count; i++) {
    const section = readSection(ptr, size, ptr + <usize>offset + i * SECTION_HEADER_SIZE, i);
    if (hasFault()) return;
    file.sections.push(section);
  }
  const names = file.section(load<u16>(ptr + 62));
  if (names == null) return fail("no section names");
  for (let i: u32 = 0; i < count; i++) {
    const nameOffset = load<u32>(ptr + <usize>offset + i * SECTION_HEADER_SIZE);
    if (nameOffset >= names.size) continue;
    file.sections[i].name = textUntilNul(names.ptr + nameOffset, names.ptr + names.size);
  }
}

function readSection(ptr: usize, size: u32, header: usize, index: u32): Section {
  const section = new Section();
  const at = load<u64>(header + 24);
  const length = load<u64>(header + 32);
  section.index = index;
  section.type = load<u32>(header + 4);
  section.flags = load<u64>(header + 8);
  section.link = load<u32>(header + 40);
  section.info = load<u32>(header + 44);
  if (section.type == SHT_NOBITS) {
    if (length > MAX_NOBITS) fail("a section without contents is larger than 1 GiB");
    section.memory = <u32>length;
    return section;
  }
  if (section.type == 0) return section;
  if (at > size || length > size - at) fail("a section lies outside the file");
  section.ptr = ptr + <usize>at;
  section.size = <u32>length;
  section.memory = <u32>length;
  return section;
}

function readSymbols(file: ElfFile): void {
  for (let i = 0; i < file.sections.length; i++) {
    if (file.sections[i].type == SHT_SYMTAB) return readSymbolTable(file, file.sections[i]);
  }
  fail("no symbol table");
}

function readSymbolTable(file: ElfFile, table: Section): void {
  const names = file.section(table.link);
  if (names == null || names.ptr == 0) return fail("no symbol names");
  const count = table.size / SYMBOL_SIZE;
  for (let i: u32 = 0; i < count; i++) {
    const at = table.ptr + i * SYMBOL_SIZE;
    const symbol = new ElfSymbol();
    const info = <u32>load<u8>(at + 4);
    const nameOffset = load<u32>(at);
    if (nameOffset < names.size) {
      symbol.name = textUntilNul(names.ptr + nameOffset, names.ptr + names.size);
    }
    symbol.bind = info >> 4;
    symbol.type = info & 15;
    const visibility = load<u8>(at + 5) & 3;
    symbol.hidden = visibility == 1 || visibility == 2;
    symbol.section = load<u16>(at + 6);
    const value = load<u64>(at + 8);
    const length = load<u64>(at + 16);
    if (value > 0xffffffff || length > 0xffffffff) return fail("a symbol's value does not fit 32 bits");
    symbol.value = <u32>value;
    symbol.size = <u32>length;
    file.symbols.push(symbol);
  }
}

/** One entry of an SHT_REL section. */
export class Relocation {
  offset: u32 = 0;
  symbolIndex: u32 = 0;
}

/** The relocations of an SHT_REL section, sorted by offset. Symbols are checked to exist. */
export function readRelocations(file: ElfFile, section: Section): Array<Relocation> {
  const out = new Array<Relocation>();
  const count = section.size / 16;
  let sorted = true;
  for (let i: u32 = 0; i < count; i++) {
    const at = section.ptr + i * 16;
    const one = new Relocation();
    const offset = load<u64>(at);
    one.offset = <u32>offset;
    one.symbolIndex = <u32>(load<u64>(at + 8) >> 32);
    if (offset > 0xffffffff || one.symbolIndex >= <u32>file.symbols.length) {
      fail("a relocation refers to nothing");
      break;
    }
    if (i > 0 && one.offset < out[i - 1].offset) sorted = false;
    out.push(one);
  }
  if (!sorted) out.sort((a, b) => (a.offset < b.offset ? -1 : a.offset > b.offset ? 1 : 0));
  return out;
}
