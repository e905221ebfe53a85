/** CO-RE: for each record find the kernel's types that may be meant, ask each, demand one answer, patch. */
import { Access, findAccess, findEnumerator, isCandidate, readAccess, readIndexes } from "./access";
import { Btf } from "./btf";
import { typesAreCompatible } from "./compat";
import { fail, hasFault } from "./fault";
import { typesMatch } from "./match";
import { Patch, applyPatch } from "./patch";
import { Answer, ENUMVAL_EXISTS, ENUMVAL_VALUE, FIELD_BYTE_OFFSET, FIELD_EXISTS, FIELD_RSHIFT_U64, TYPE_ID_LOCAL, TYPE_ID_TARGET, TYPE_MATCHES, TYPE_SIZE, fieldAnswer, widthMayChange } from "./relocation-value";
import { Target, essential } from "./target";
import { Text } from "./text";

const RECORD_SIZE: u32 = 16;

/** What one record asks, and the path it asks about. */
class Question {
  types: Btf;
  type: u32;
  kind: u32;
  indexes: Array<u32>;
  access: Access | null = null;

  constructor(types: Btf, type: u32, kind: u32, path: Text) {
    this.types = types;
    this.type = type;
    this.kind = kind;
    this.indexes = readIndexes(path);
  }

  isField(): bool {
    return this.kind <= FIELD_RSHIFT_U64;
  }

  /** A missing target makes these zero instead of poisoning: what asks for existence or for a whole type. */
  mayBeMissing(): bool {
    const kind = this.kind;
    return kind == FIELD_EXISTS || kind == ENUMVAL_EXISTS || (!this.isField() && kind != ENUMVAL_VALUE);
  }
}

/** Patches the instructions in place. `target` may be null when no record needs the kernel's types. */
export function relocateProgram(types: Btf, target: Target | null, code: Text, records: Text): void {
  const count = records.len;
  for (let i: u32 = 0; i < count && !hasFault(); i++) {
    const at = records.ptr + i * RECORD_SIZE;
    const insn = load<u32>(at);
    const type = load<u32>(at + 4);
    const kind = load<u32>(at + 12);
    if (<u64>insn * 8 + 8 > <u64>code.len || type >= types.count || kind > TYPE_MATCHES) {
      return fail("a CO-RE record refers to nothing");
    }
    const question = new Question(types, type, kind, types.string(load<u32>(at + 8)));
    const patch = new Patch();
    patch.at = code.ptr + insn * 8;
    patch.hasNext = insn * 8 + 16 <= code.len;
    answer(question, target, patch);
    if (!hasFault()) applyPatch(patch);
  }
}

function answer(question: Question, target: Target | null, patch: Patch): void {
  if (question.kind == TYPE_ID_LOCAL) {
    patch.validate = false;
    patch.after = question.type;
    return;
  }
  const types = question.types;
  const root = types.resolve(question.type);
  const named = types.name(question.type).len > 0;
  if (!named) return fail("a CO-RE relocation names an anonymous type");
  if (target == null) return fail("the kernel's types (BTF) are needed but not open");
  if (!checkPath(question, root)) return fail("the access path of a CO-RE relocation does not fit its type");
  const local = localAnswer(question, root);
  if (hasFault()) return;
  patch.before = local.value;
  patch.validate = local.validate;
  patch.sizeBefore = local.fieldSize;
  patch.sizeAfter = local.fieldSize;
  askCandidates(question, target, local, patch);
}

/** The local type must bear the path, or the record is not valid. */
function checkPath(question: Question, root: u32): bool {
  const types = question.types;
  if (question.isField()) {
    question.access = readAccess(types, question.type, question.indexes);
    return question.access != null;
  }
  if (question.indexes.length != 1) return false;
  if (question.kind != ENUMVAL_EXISTS && question.kind != ENUMVAL_VALUE) return question.indexes[0] == 0;
  return types.isEnum(root) && question.indexes[0] < types.vlen(root);
}

/** What the compiler must have written. */
function localAnswer(question: Question, root: u32): Answer {
  const access = question.access;
  if (access != null) return fieldAnswer(access, question.kind);
  const out = new Answer();
  const types = question.types;
  if (question.kind == TYPE_ID_TARGET) {
    out.value = question.type;
    // The compiler's ids and the ids after linking of types may differ.
    out.validate = false;
  } else if (question.kind == TYPE_SIZE) {
    out.value = <u64>max<i64>(types.sizeOf(question.type), 0);
  } else if (question.kind == ENUMVAL_VALUE) {
    out.value = types.enumValue(root, question.indexes[0]);
  } else {
    out.value = 1;
  }
  return out;
}

function askCandidates(question: Question, target: Target, local: Answer, patch: Patch): void {
  const types = question.types;
  let found = false;
  for (let id = target.first(essential(types.name(question.type))); id != 0; id = target.next[id]) {
    if (!isCandidate(types, question.type, target.types, id)) continue;
    const one = askOne(question, target.types, id);
    if (hasFault()) return;
    if (one == null) continue;
    if (found && patch.after != one.value) {
      return fail("the kernel has two types " + types.name(question.type).show() + " that answer a relocation differently");
    }
    found = true;
    patch.after = one.value;
    patch.validate = patch.validate && local.validate;
    followWidth(question, local, target.types, one, patch);
  }
  if (!found) patch.poison = !question.mayBeMissing();
}

/** A load follows the size of the kernel's field where that keeps the value. */
function followWidth(question: Question, local: Answer, types: Btf, one: Answer, patch: Patch): void {
  if (question.kind != FIELD_BYTE_OFFSET || local.fieldSize == one.fieldSize) return;
  if (local.fieldSize == 0 || one.fieldSize == 0) return;
  patch.sizeAfter = one.fieldSize;
  patch.widthIsFixed = !widthMayChange(question.types, local.fieldType, types, one.fieldType);
}

/** The answer of one candidate, null when it does not have what is asked about. */
function askOne(question: Question, target: Btf, id: u32): Answer | null {
  const local = question.types;
  const access = question.access;
  if (access != null) {
    const found = findAccess(access, target, id);
    return found == null ? null : fieldAnswer(found, question.kind);
  }
  const out = new Answer();
  if (question.kind == ENUMVAL_EXISTS || question.kind == ENUMVAL_VALUE) {
    const index = findEnumerator(local, local.resolve(question.type), question.indexes[0], target, id);
    if (index < 0) return null;
    out.value = question.kind == ENUMVAL_EXISTS ? 1 : target.enumValue(target.resolve(id), index);
    return out;
  }
  if (question.kind == TYPE_MATCHES) {
    if (!typesMatch(local, question.type, target, id)) return null;
  } else if (!typesAreCompatible(local, question.type, target, id)) {
    return null;
  }
  out.value = question.kind == TYPE_ID_TARGET ? id : question.kind == TYPE_SIZE ? <u64>max<i64>(target.sizeOf(id), 0) : 1;
  return out;
}
