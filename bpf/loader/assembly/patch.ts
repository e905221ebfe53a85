/** Writing a CO-RE answer into an instruction (instruction encoding: Documentation/bpf/standardization). */
import { fail } from "./fault";

const CLASS_LD: u32 = 0;
const CLASS_LDX: u32 = 1;
const CLASS_ST: u32 = 2;
const CLASS_STX: u32 = 3;
const CLASS_ALU: u32 = 4;
const CLASS_ALU64: u32 = 7;
const OP_LD_IMM64: u32 = 0x18;
const SOURCE_REGISTER: u32 = 8;
const SIZE_MASK: u32 = 0x18;
/** A call to a helper that does not exist: the verifier refuses it, and shows this number, only when it is reached. */
const POISON: i32 = 195896080;

/** What is to be written where. */
export class Patch {
  /** Address of the instruction, and whether another one follows. */
  at: usize = 0;
  hasNext: bool = false;
  /** What the compiler wrote, checked when `validate`. */
  before: u64 = 0;
  after: u64 = 0;
  validate: bool = true;
  poison: bool = false;
  /** Load widths in bytes, 0 = leave. */
  sizeBefore: u32 = 0;
  sizeAfter: u32 = 0;
  /** The width may not follow the field: poison loads. */
  widthIsFixed: bool = false;
}

/** Applies a patch; a refusal is left in fault.ts. */
export function applyPatch(patch: Patch): void {
  const opcode = <u32>load<u8>(patch.at);
  const kind = opcode & 7;
  if (patch.poison) return poison(patch, opcode);
  if (kind == CLASS_ALU || kind == CLASS_ALU64) patchImmediate(patch, opcode);
  else if (kind == CLASS_LDX || kind == CLASS_ST || kind == CLASS_STX) patchOffset(patch, opcode);
  else if (kind == CLASS_LD) patchWide(patch, opcode);
  else fail("a relocation points to an instruction that can't carry it");
}

function poison(patch: Patch, opcode: u32): void {
  poisonAt(patch.at);
  if (opcode == OP_LD_IMM64 && patch.hasNext) poisonAt(patch.at + 8);
}

function poisonAt(at: usize): void {
  store<u32>(at, 0x85);
  store<i32>(at + 4, POISON);
}

function patchImmediate(patch: Patch, opcode: u32): void {
  if ((opcode & SOURCE_REGISTER) != 0) return fail("a relocation points to an instruction without immediate");
  if (patch.validate && <u64>load<u32>(patch.at + 4) != (patch.before & 0xffffffff)) return disagree();
  store<u32>(patch.at + 4, <u32>patch.after);
}

function patchOffset(patch: Patch, opcode: u32): void {
  if (patch.validate && <u64>(<i64>load<i16>(patch.at + 2)) != patch.before) return disagree();
  if (patch.after > 32767) return fail("a field lies too far inside its struct for one load");
  if (patch.widthIsFixed) return poison(patch, opcode);
  store<u16>(patch.at + 2, <u16>patch.after);
  if (patch.sizeAfter == patch.sizeBefore) return;
  if (widthOf(opcode) != patch.sizeBefore) return fail("a load's width is not its field's");
  const bits = bitsOf(patch.sizeAfter);
  if (bits == 0xff) return fail("a field has a size no load has");
  store<u8>(patch.at, <u8>((opcode & ~SIZE_MASK) | bits));
}

function patchWide(patch: Patch, opcode: u32): void {
  const sourceRegister = load<u8>(patch.at + 1) >> 4;
  if (opcode != OP_LD_IMM64 || sourceRegister != 0 || !patch.hasNext) {
    return fail("a relocation points to an instruction that can't carry it");
  }
  const before = <u64>load<u32>(patch.at + 4) | (<u64>load<u32>(patch.at + 12) << 32);
  if (patch.validate && before != patch.before) return disagree();
  store<u32>(patch.at + 4, <u32>patch.after);
  store<u32>(patch.at + 12, <u32>(patch.after >> 32));
}

function disagree(): void {
  fail("an instruction does not hold what its relocation says (compiler and loader disagree)");
}

function widthOf(opcode: u32): u32 {
  const size = opcode & SIZE_MASK;
  return size == 0 ? 4 : size == 8 ? 2 : size == 16 ? 1 : 8;
}

function bitsOf(size: u32): u32 {
  return size == 4 ? 0 : size == 2 ? 8 : size == 1 ? 16 : size == 8 ? 24 : 0xff;
}
