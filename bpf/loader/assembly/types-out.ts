/** Types on the tape: kind, name, size or type, kind flag, then the kind's list. Read by src/core/types-in.ts. */
import { ARRAY, Btf, DATASEC, ENUM, ENUM64, FUNC_PROTO, INT, STRUCT, UNION, VAR } from "./btf";
import { Tape } from "./tape";

/** Every type, from id 1. */
export function writeTypes(tape: Tape, types: Btf): void {
  tape.u32(types.count - 1);
  for (let id: u32 = 1; id < types.count; id++) writeType(tape, types, id);
}

/** One type. Void is kind 0 with an empty name. */
export function writeType(tape: Tape, types: Btf, id: u32): void {
  const kind = types.kind(id);
  tape.u32(kind);
  tape.text(types.name(id));
  tape.u32(types.sizeOrType(id));
  tape.u32(types.kflag(id) ? 1 : 0);
  tape.u32(types.vlen(id));
  if (kind == STRUCT || kind == UNION) writeMembers(tape, types, id);
  else if (kind == ENUM || kind == ENUM64) writeEnumerators(tape, types, id);
  else if (kind == FUNC_PROTO) writeParameters(tape, types, id);
  else if (kind == DATASEC) writeWords(tape, types, id, types.vlen(id) * 3);
  else if (kind == ARRAY) writeWords(tape, types, id, 3);
  else if (kind == INT || kind == VAR) writeWords(tape, types, id, 1);
}

function writeMembers(tape: Tape, types: Btf, id: u32): void {
  const n = types.vlen(id);
  for (let i: u32 = 0; i < n; i++) {
    tape.text(types.memberName(id, i));
    tape.u32(types.memberType(id, i));
    tape.u32(types.memberBitOffset(id, i));
    tape.u32(types.memberBits(id, i));
  }
}

function writeEnumerators(tape: Tape, types: Btf, id: u32): void {
  const n = types.vlen(id);
  for (let i: u32 = 0; i < n; i++) {
    tape.text(types.enumName(id, i));
    tape.u64(types.enumValue(id, i));
  }
}

function writeParameters(tape: Tape, types: Btf, id: u32): void {
  const n = types.vlen(id);
  for (let i: u32 = 0; i < n; i++) {
    tape.text(types.string(load<u32>(types.items(id) + i * 8)));
    tape.u32(load<u32>(types.items(id) + i * 8 + 4));
  }
}

function writeWords(tape: Tape, types: Btf, id: u32, n: u32): void {
  for (let i: u32 = 0; i < n; i++) tape.u32(load<u32>(types.items(id) + i * 4));
}
