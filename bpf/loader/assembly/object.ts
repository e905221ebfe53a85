/** What is known of an object file while it is read; filled stage by stage in collection.ts. */
import { Btf, noBtf } from "./btf";
import { BtfExt } from "./btf-ext";
import { ElfFile, ElfSymbol } from "./elf";
import { Text, noText } from "./text";

/** Kinds of maps on the tape. */
export const USER_MAP: u32 = 0;
export const DATA_MAP: u32 = 1;
export const RODATA_MAP: u32 = 2;
export const BSS_MAP: u32 = 3;
export const KCONFIG_MAP: u32 = 4;

/** Kinds of references from instructions on the tape. */
export const REF_MAP: u32 = 1;
export const REF_DATA: u32 = 2;
export const REF_EXTERN: u32 = 3;
export const REF_EXTERN_CALL: u32 = 4;
/** Internal to the linker: resolved before the tape is written. */
export const REF_CALL: u32 = 5;
export const REF_FUNCTION: u32 = 6;

/** One preset slot of a map: which index refers to which symbol. */
export class Slot {
  index: u32 = 0;
  target: Text = noText();
}

/** A map as the object defines it in `.maps`. */
export class MapDef {
  name: Text = noText();
  kind: u32 = USER_MAP;
  type: u32 = 0;
  keySize: u32 = 0;
  valueSize: u32 = 0;
  maxEntries: u32 = 0;
  flags: u32 = 0;
  numaNode: u32 = 0;
  extra: u64 = 0;
  pinning: u32 = 0;
  keyType: u32 = 0;
  valueType: u32 = 0;
  inner: MapDef | null = null;
  slots: Array<Slot> = new Array<Slot>();
  /** Where its variable lies, to find it from a symbol. */
  section: u32 = 0;
  offset: u32 = 0;
  size: u32 = 0;
  /** Byte offset of `values` inside the variable, -1 without. */
  valuesAt: i32 = -1;
  /** Contents of a data section; empty for .bss, whose length is `valueSize`. */
  data: Text = noText();
}

/** An instruction that needs something put in. `insn` counts instructions from the function's start. */
export class Ref {
  insn: u32 = 0;
  kind: u32 = 0;
  /** Map or extern number. */
  index: u32 = 0;
  /** Byte offset the symbol adds. */
  offset: u32 = 0;
}

/** A function symbol of an executable section: a program, or (in .text) a sub-program. */
export class Func {
  name: Text = noText();
  section: u32 = 0;
  /** First instruction in its section, and how many. */
  start: u32 = 0;
  count: u32 = 0;
  code: usize = 0;
  hidden: bool = false;
  isLocal: bool = false;
  refs: Array<Ref> = new Array<Ref>();
  /** Where the linker placed it in the current program, -1 = not yet. */
  placed: i32 = -1;
}

/** A symbol that something outside must give: kernel configuration, kernel symbol, kfunc. */
export class Extern {
  name: Text = noText();
  symbolIndex: u32 = 0;
  weak: bool = false;
  isFunction: bool = false;
  isKconfig: bool = false;
  /** Id of its VAR or FUNC, and of the type behind (0 = void, typeless). */
  typeId: u32 = 0;
  valueType: u32 = 0;
  size: u32 = 0;
  align: u32 = 0;
  /** Byte offset in the .kconfig map. */
  offset: u32 = 0;
}

/** Everything read from one object, before relocation. */
export class ObjectFile {
  elf: ElfFile;
  types: Btf = noBtf();
  ext: BtfExt = new BtfExt();
  maps: Array<MapDef> = new Array<MapDef>();
  functions: Array<Func> = new Array<Func>();
  externs: Array<Extern> = new Array<Extern>();
  /** Index of the .text section, 0 when there is none. */
  textIndex: u32 = 0;
  /** Which exec section indexes hold programs. */
  hasBtf: bool = false;

  constructor(elf: ElfFile) {
    this.elf = elf;
  }

  /** Number of the map of that data section, -1 when it is none. */
  mapOfSection(section: u32): i32 {
    for (let i = 0; i < this.maps.length; i++) {
      const map = this.maps[i];
      if (map.kind != USER_MAP && map.section == section) return i;
    }
    return -1;
  }

  /** Number of the map whose variable starts there, -1 when it is none. */
  mapAt(section: u32, offset: u32): i32 {
    for (let i = 0; i < this.maps.length; i++) {
      const map = this.maps[i];
      if (map.kind == USER_MAP && map.section == section && map.offset == offset) return i;
    }
    return -1;
  }

  /** Number of the first map of that kernel type, -1 when there is none. */
  mapOfType(type: u32): i32 {
    for (let i = 0; i < this.maps.length; i++) if (this.maps[i].type == type) return i;
    return -1;
  }

  externOf(symbolIndex: u32): i32 {
    for (let i = 0; i < this.externs.length; i++) if (this.externs[i].symbolIndex == symbolIndex) return i;
    return -1;
  }

  /** The function that starts at that instruction of .text, or null. */
  textFunction(insn: u32): Func | null {
    for (let i = 0; i < this.functions.length; i++) {
      const one = this.functions[i];
      if (one.section == this.textIndex && one.start == insn) return one;
    }
    return null;
  }

  symbol(index: u32): ElfSymbol {
    return this.elf.symbols[index];
  }
}
