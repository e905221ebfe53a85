/** `.rodata*`, `.data*`, `.bss*`: each becomes one array map that holds the whole section. */
import { SHF_EXECINSTR, SHT_NOBITS, SHT_PROGBITS, Section } from "./elf";
import { BSS_MAP, DATA_MAP, MapDef, ObjectFile, RODATA_MAP } from "./object";
import { Text } from "./text";

const MAP_TYPE_ARRAY: u32 = 2;

/** Adds a map for every data section that is not empty. */
export function readDataSections(object: ObjectFile): void {
  const sections = object.elf.sections;
  for (let i = 0; i < sections.length; i++) {
    const kind = dataKind(sections[i]);
    if (kind == 0 || sections[i].memory == 0) continue;
    const map = new MapDef();
    map.name = sections[i].name;
    map.kind = kind;
    map.type = MAP_TYPE_ARRAY;
    map.keySize = 4;
    map.valueSize = sections[i].memory;
    map.maxEntries = 1;
    map.section = sections[i].index;
    map.data = new Text(sections[i].ptr, sections[i].size);
    map.valueType = object.types.section(map.name);
    object.maps.push(map);
  }
}

/** Kind of map a section becomes, 0 for none. */
export function dataKind(section: Section): u32 {
  const name = section.name;
  if (section.type == SHT_NOBITS) return isOrHas(name, ".bss") ? BSS_MAP : 0;
  if (section.type != SHT_PROGBITS || (section.flags & SHF_EXECINSTR) != 0) return 0;
  if (isOrHas(name, ".data")) return DATA_MAP;
  return isOrHas(name, ".rodata") ? RODATA_MAP : 0;
}

/** `.data` itself or `.data.suffix`. */
function isOrHas(name: Text, base: string): bool {
  return name.is(base) || (name.starts(base) && name.at(<u32>base.length) == 46);
}
