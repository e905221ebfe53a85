/** What a CO-RE relocation says about one access: offset, size, existence, shifts… (llvm_reloc.rst, "CO-RE Relocations"). */
import { ARRAY, Btf, INT, PTR } from "./btf";
import { Access } from "./access";
import { fail } from "./fault";

/** BPF_CORE_FIELD_BYTE_OFFSET (Documentation/bpf/llvm_reloc.rst). */
export const FIELD_BYTE_OFFSET: u32 = 0;
/** BPF_CORE_FIELD_BYTE_SIZE (Documentation/bpf/llvm_reloc.rst). */
export const FIELD_BYTE_SIZE: u32 = 1;
/** BPF_CORE_FIELD_EXISTS (Documentation/bpf/llvm_reloc.rst). */
export const FIELD_EXISTS: u32 = 2;
/** BPF_CORE_FIELD_SIGNED (Documentation/bpf/llvm_reloc.rst). */
export const FIELD_SIGNED: u32 = 3;
/** BPF_CORE_FIELD_LSHIFT_U64 (Documentation/bpf/llvm_reloc.rst). */
export const FIELD_LSHIFT_U64: u32 = 4;
/** BPF_CORE_FIELD_RSHIFT_U64 (Documentation/bpf/llvm_reloc.rst). */
export const FIELD_RSHIFT_U64: u32 = 5;
/** BPF_CORE_TYPE_ID_LOCAL (Documentation/bpf/llvm_reloc.rst). */
export const TYPE_ID_LOCAL: u32 = 6;
/** BPF_CORE_TYPE_ID_TARGET (Documentation/bpf/llvm_reloc.rst). */
export const TYPE_ID_TARGET: u32 = 7;
/** BPF_CORE_TYPE_EXISTS (Documentation/bpf/llvm_reloc.rst). */
export const TYPE_EXISTS: u32 = 8;
/** BPF_CORE_TYPE_SIZE (Documentation/bpf/llvm_reloc.rst). */
export const TYPE_SIZE: u32 = 9;
/** BPF_CORE_ENUMVAL_EXISTS (Documentation/bpf/llvm_reloc.rst). */
export const ENUMVAL_EXISTS: u32 = 10;
/** BPF_CORE_ENUMVAL_VALUE (Documentation/bpf/llvm_reloc.rst). */
export const ENUMVAL_VALUE: u32 = 11;
/** BPF_CORE_TYPE_MATCHES (Documentation/bpf/llvm_reloc.rst). */
export const TYPE_MATCHES: u32 = 12;

/** A value with what the patcher must know about it. */
export class Answer {
  value: u64 = 0;
  /** The instruction must hold the local value before; false where compiler and loader may differ. */
  validate: bool = true;
  /** Size and type of the field for a byte offset, 0 = not to be adjusted. */
  fieldSize: u32 = 0;
  fieldType: u32 = 0;
}

/** The answer for a field access. Refuses what no 64 bit read can do. */
export function fieldAnswer(access: Access, kind: u32): Answer {
  const out = new Answer();
  if (kind == FIELD_EXISTS) {
    out.value = 1;
    return out;
  }
  if (!access.last().named) return elementAnswer(access, kind, out);
  return memberAnswer(access, kind, out);
}

/** `a[n]`: only place and size make sense. */
function elementAnswer(access: Access, kind: u32, out: Answer): Answer {
  const types = access.types;
  const type = access.last().type;
  if (kind == FIELD_BYTE_OFFSET) {
    out.value = access.bitOffset / 8;
    out.fieldSize = innermostSize(types, type);
    out.fieldType = type;
  } else if (kind == FIELD_BYTE_SIZE) {
    out.value = <u64>types.sizeOf(type);
  } else {
    fail("a relocation asks for the bits of an array element");
  }
  return out;
}

/** Size of the element of elements: what one load reads. */
function innermostSize(types: Btf, id: u32): u32 {
  let at = types.resolve(id);
  for (let depth = 0; depth < 32 && types.kind(at) == ARRAY; depth++) at = types.resolve(types.arrayElement(at));
  const size = types.sizeOf(at);
  return size < 0 ? 0 : <u32>size;
}

function memberAnswer(access: Access, kind: u32, out: Answer): Answer {
  const types = access.types;
  const step = access.last();
  const type = types.resolve(types.memberType(step.type, step.index));
  const declaredBits = types.memberBits(step.type, step.index);
  const isBitField = declaredBits > 0;
  let byteSize: u64 = isBitField ? <u64>types.sizeOrType(type) : <u64>max<i64>(types.sizeOf(type), 0);
  let byteOffset: u64 = access.bitOffset / 8;
  let bits: u64 = byteSize * 8;
  if (isBitField) {
    if (byteSize == 0 || byteSize > 8) {
      fail("a bit field has no usable type");
      return out;
    }
    bits = declaredBits;
    byteOffset = access.bitOffset / 8 / byteSize * byteSize;
    while (access.bitOffset + bits - byteOffset * 8 > byteSize * 8) {
      if (byteSize >= 8) {
        fail("a bit field can't be read by one 64 bit load");
        return out;
      }
      byteSize *= 2;
      byteOffset = access.bitOffset / 8 / byteSize * byteSize;
    }
  }
  out.validate = !isBitField;
  if (kind == FIELD_BYTE_OFFSET) {
    out.value = byteOffset;
    if (!isBitField) {
      out.fieldSize = innermostSize(types, type);
      out.fieldType = type;
    }
  } else if (kind == FIELD_BYTE_SIZE) {
    out.value = byteSize;
  } else if (kind == FIELD_SIGNED) {
    out.value = isSigned(types, type) ? 1 : 0;
    out.validate = true;
  } else if (kind == FIELD_LSHIFT_U64) {
    out.value = 64 - (access.bitOffset + bits - byteOffset * 8);
  } else {
    out.value = 64 - bits;
    out.validate = true;
  }
  return out;
}

function isSigned(types: Btf, id: u32): bool {
  if (types.isEnum(id)) return types.kflag(id);
  return types.kind(id) == INT && (types.intEncoding(id) & 1) != 0;
}

/** May a load's width follow the kernel's field? Pointers and unsigned integers: yes, zero extension keeps the value. */
export function widthMayChange(local: Btf, a: u32, target: Btf, b: u32): bool {
  const one = local.resolve(a);
  const other = target.resolve(b);
  if (local.kind(one) == PTR && target.kind(other) == PTR) return true;
  const integers = local.kind(one) == INT && target.kind(other) == INT;
  return integers && (local.intEncoding(one) & 1) == 0 && (target.intEncoding(other) & 1) == 0;
}
