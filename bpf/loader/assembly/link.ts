/** Linking: one program and every sub-program it reaches become one list of instructions, in order of first use. */
import { DECL_TAG, FUNC } from "./btf";
import { RecordBlock } from "./btf-ext";
import { fail, hasFault } from "./fault";
import { Func, ObjectFile, REF_CALL, REF_EXTERN_CALL, REF_FUNCTION, Ref } from "./object";
import { Tape } from "./tape";
import { Text } from "./text";

const INSN_SIZE: u32 = 8;
const OP_CALL: u8 = 0x85;
const PSEUDO_CALL: u8 = 1;
const PSEUDO_FUNC: u8 = 4;
/** Bound on all programs of one object together: hostile call graphs must not eat the memory. */
const MAX_INSTRUCTIONS: u32 = 6_000_000;

let budget: u32 = MAX_INSTRUCTIONS;

/** Starts a new object's budget. */
export function resetBudget(): void {
  budget = MAX_INSTRUCTIONS;
}

/** A program with its sub-programs. */
export class Linked {
  code: usize = 0;
  /** Instructions. */
  count: u32 = 0;
  capacity: u32 = 0;
  placed: Array<Func> = new Array<Func>();

  /** Makes room for that many instructions, doubling. */
  room(instructions: u32): void {
    if (instructions <= this.capacity) return;
    this.capacity = max(instructions, this.capacity * 2);
    const size = this.capacity * INSN_SIZE;
    this.code = this.code == 0 ? heap.alloc(size) : heap.realloc(this.code, size);
  }
}

/** A function whose body is being scanned, and how far. */
class Frame {
  func: Func;
  insn: u32 = 0;
  ref: i32 = 0;

  constructor(func: Func) {
    this.func = func;
  }
}

/** Links `main`. Functions keep `placed` until the caller calls `release`. */
export function linkProgram(object: ObjectFile, main: Func): Linked {
  const out = new Linked();
  place(out, main);
  scan(object, out, main);
  if (!hasFault()) placeExceptionCallback(object, out, main);
  return out;
}

/** Forgets where functions were placed. */
export function release(linked: Linked): void {
  for (let i = 0; i < linked.placed.length; i++) linked.placed[i].placed = -1;
  heap.free(linked.code);
}

function place(out: Linked, func: Func): void {
  if (func.count > budget) return fail("the programs with their sub-programs have too many instructions");
  budget -= func.count;
  out.room(out.count + func.count);
  memory.copy(out.code + out.count * INSN_SIZE, func.code, func.count * INSN_SIZE);
  func.placed = out.count;
  out.count += func.count;
  out.placed.push(func);
}

/** Depth first, with a stack of its own: a call chain may be as long as the object has functions. */
function scan(object: ObjectFile, out: Linked, root: Func): void {
  const stack = new Array<Frame>();
  stack.push(new Frame(root));
  while (stack.length > 0 && !hasFault()) {
    const frame = stack[stack.length - 1];
    const callee = step(object, out, frame);
    if (callee != null) stack.push(new Frame(callee));
    else if (frame.insn >= frame.func.count) stack.pop();
  }
}

/** Goes on in one function; returns a sub-program placed just now, null when the function has ended. */
function step(object: ObjectFile, out: Linked, frame: Frame): Func | null {
  const func = frame.func;
  while (frame.insn < func.count) {
    const i = frame.insn++;
    const ref = refAt(frame, i);
    const at = out.code + (<u32>func.placed + i) * INSN_SIZE;
    if (!reachesFunction(at, ref)) continue;
    const callee = calleeOf(object, frame, at, ref);
    if (callee == null) return null;
    const isNew = callee.placed < 0;
    if (isNew) place(out, callee);
    if (hasFault()) return null;
    // place() may have moved the code.
    store<i32>(out.code + (<u32>func.placed + i) * INSN_SIZE + 4, callee.placed - (func.placed + <i32>i) - 1);
    if (isNew) return callee;
  }
  return null;
}

function refAt(frame: Frame, insn: u32): Ref | null {
  const refs = frame.func.refs;
  while (frame.ref < refs.length && refs[frame.ref].insn < insn) frame.ref++;
  return frame.ref < refs.length && refs[frame.ref].insn == insn ? refs[frame.ref] : null;
}

function reachesFunction(at: usize, ref: Ref | null): bool {
  if (ref != null && ref.kind == REF_FUNCTION) {
    const registers = load<u8>(at + 1);
    store<u8>(at + 1, (registers & 15) | (PSEUDO_FUNC << 4));
    return true;
  }
  if (ref != null && ref.kind == REF_EXTERN_CALL) return false;
  return load<u8>(at) == OP_CALL && load<u8>(at + 1) >> 4 == PSEUDO_CALL;
}

function calleeOf(object: ObjectFile, frame: Frame, at: usize, ref: Ref | null): Func | null {
  const imm = load<i32>(at + 4);
  let insn: i64;
  if (ref == null) insn = <i64>frame.func.start + frame.insn + imm;
  else if (ref.kind == REF_CALL) insn = <i64>(ref.offset / INSN_SIZE) + imm + 1;
  else if (ref.kind == REF_FUNCTION) insn = (<i64>ref.offset + imm) / INSN_SIZE;
  else insn = -1;
  let found: Func | null = null;
  if (insn >= 0 && insn <= 0xffffffff && object.textIndex != 0) found = object.textFunction(<u32>insn);
  if (found == null) {
    fail("function " + frame.func.name.show() + ": instruction " + (frame.insn - 1).toString() + " calls something that is no function of .text");
  }
  return found;
}

/** `__exception_cb(name)`: the sub-program named by a declaration tag comes last. Two such tags count as none. */
function placeExceptionCallback(object: ObjectFile, out: Linked, main: Func): void {
  const types = object.types;
  const id = types.find(FUNC, main.name);
  if (id == 0) return;
  let found: Func | null = null;
  let tags = 0;
  for (let tag: u32 = 1; tag < types.count; tag++) {
    if (types.kind(tag) != DECL_TAG || types.sizeOrType(tag) != id || load<i32>(types.items(tag)) != -1) continue;
    const text = types.name(tag);
    if (!text.starts("exception_callback:")) continue;
    tags++;
    found = subprogramNamed(object, text.after(19));
  }
  if (tags != 1 || found == null || found.placed >= 0) return;
  place(out, found);
  if (!hasFault()) scan(object, out, found);
}

function subprogramNamed(object: ObjectFile, name: Text): Func | null {
  for (let i = 0; i < object.functions.length; i++) {
    const one = object.functions[i];
    if (one.section == object.textIndex && one.name.same(name)) return one;
  }
  return null;
}

/**
 * Writes the records that fall into the placed functions, with instruction numbers of the linked program in
 * place of byte offsets: per record `words` u32 words.
 */
export function writeRecords(tape: Tape, object: ObjectFile, linked: Linked, blocks: Array<RecordBlock>, words: u32): void {
  const countAt = tape.here();
  let total: u32 = 0;
  tape.u32(0);
  for (let f = 0; f < linked.placed.length; f++) {
    const func = linked.placed[f];
    const section = object.elf.sections[func.section].name;
    for (let b = 0; b < blocks.length; b++) {
      if (blocks[b].section.same(section)) total += writeBlock(tape, func, blocks[b], words);
    }
  }
  tape.patch(countAt, total);
}

function writeBlock(tape: Tape, func: Func, block: RecordBlock, words: u32): u32 {
  let n: u32 = 0;
  for (let i: u32 = 0; i < block.count; i++) {
    const at = block.ptr + i * block.stride;
    const insn = load<u32>(at) / INSN_SIZE;
    if (insn < func.start || insn - func.start >= func.count) continue;
    tape.u32(insn - func.start + func.placed);
    for (let w: u32 = 1; w < words; w++) tape.u32(load<u32>(at + w * 4));
    n++;
  }
  return n;
}
