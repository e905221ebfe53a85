/** .BTF.ext (Documentation/bpf/btf.rst section 4): function, line and CO-RE records by code section. */
import { Btf } from "./btf";
import { fail } from "./fault";
import { Text } from "./text";

/** The records of one code section. Offsets inside them are bytes from that section's start. */
export class RecordBlock {
  section: Text;
  ptr: usize;
  count: u32;
  /** Bytes of one record, at least what this loader reads of it. */
  stride: u32;

  constructor(section: Text, ptr: usize, count: u32, stride: u32) {
    this.section = section;
    this.ptr = ptr;
    this.count = count;
    this.stride = stride;
  }
}

/** The `.BTF.ext` section: function, line and relocation records (Documentation/bpf/btf.rst). */
export class BtfExt {
  functions: Array<RecordBlock> = new Array<RecordBlock>();
  lines: Array<RecordBlock> = new Array<RecordBlock>();
  relocations: Array<RecordBlock> = new Array<RecordBlock>();
}

/** Reads the section; `types` gives the section names. An empty section gives no records. */
export function readBtfExt(section: Text, types: Btf): BtfExt {
  const out = new BtfExt();
  if (section.len == 0) return out;
  if (section.len < 24 || load<u16>(section.ptr) != 0xeb9f) {
    fail("the .BTF.ext header is not valid");
    return out;
  }
  const header = load<u32>(section.ptr + 4);
  if (header < 24 || header > section.len) {
    fail("the .BTF.ext header has a wrong length");
    return out;
  }
  const body = section.after(header);
  readBlocks(body, load<u32>(section.ptr + 8), load<u32>(section.ptr + 12), new Shape(8, types, out.functions));
  readBlocks(body, load<u32>(section.ptr + 16), load<u32>(section.ptr + 20), new Shape(16, types, out.lines));
  if (header >= 32) {
    readBlocks(body, load<u32>(section.ptr + 24), load<u32>(section.ptr + 28), new Shape(16, types, out.relocations));
  }
  return out;
}

class Shape {
  least: u32;
  types: Btf;
  out: Array<RecordBlock>;

  constructor(least: u32, types: Btf, out: Array<RecordBlock>) {
    this.least = least;
    this.types = types;
    this.out = out;
  }
}

function readBlocks(body: Text, offset: u32, size: u32, shape: Shape): void {
  if (size == 0) return;
  if (size < 4 || offset > body.len || size > body.len - offset) {
    return fail("a part of .BTF.ext lies outside the section");
  }
  const stride = load<u32>(body.ptr + offset);
  if (stride < shape.least || stride > 4096) return fail(".BTF.ext has records of a wrong size");
  let at: u32 = offset + 4;
  const end: u32 = offset + size;
  while (at < end) {
    if (end - at < 8) return fail("a part of .BTF.ext is cut");
    const name = shape.types.string(load<u32>(body.ptr + at));
    const count = load<u32>(body.ptr + at + 4);
    at += 8;
    if (<u64>count * <u64>stride > <u64>(end - at)) return fail("a part of .BTF.ext is cut");
    shape.out.push(new RecordBlock(name, body.ptr + at, count, stride));
    at += count * stride;
  }
}
