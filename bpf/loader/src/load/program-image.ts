import type { ParsedProgram, Reference } from "../core/parsed.ts";
import { InvalidObject } from "../errors.ts";
import { kernelTypes } from "../kernel/kernel-types.ts";
import type { ResolvedExtern, Session } from "./session.ts";

const INSN_SIZE = 8;
/** Kinds of 16-byte loads and of calls (linux/bpf.h: BPF_PSEUDO_*), in the source register's place. */
const PSEUDO = { mapFd: 1, mapValue: 2, btfId: 3, kernelCall: 2 } as const;
/** A call to a kernel function that is weak and missing: never valid, shows its number if reached. */
const MISSING_CALL = 2_002_000_000;

/** The instructions to give to the kernel: CO-RE applied, maps and externs put in. */
export function programImage(session: Session, program: ParsedProgram): Uint8Array {
  const code = applyCore(session, program);
  const view = new DataView(code.buffer, code.byteOffset, code.length);
  for (const reference of program.references) patch(session, view, reference);
  return code;
}

function applyCore(session: Session, program: ParsedProgram): Uint8Array {
  const records = program.coreRecords;
  if (records.length === 0) return program.instructions.slice();
  const core = kernelTypes();
  core.openObjectTypes(session.object.btf);
  try {
    return core.relocate(program.instructions, records);
  } catch (error) {
    if (!(error instanceof InvalidObject)) throw error;
    throw new InvalidObject(`program "${program.name}": ${error.message}`, { cause: error });
  }
}

function patch(session: Session, code: DataView, reference: Reference): void {
  const at = reference.instruction * INSN_SIZE;
  switch (reference.kind) {
    case "map":
      setSource(code, at, PSEUDO.mapFd);
      code.setInt32(at + 4, mapFd(session, reference.index), true);
      break;
    case "data":
      setSource(code, at, PSEUDO.mapValue);
      code.setInt32(at + 12, code.getInt32(at + 4, true) + reference.offset, true);
      code.setInt32(at + 4, mapFd(session, reference.index), true);
      break;
    case "extern":
      patchAddress(session, code, at, externOf(session, reference));
      break;
    case "extern-call":
      patchCall(code, at, reference.index, externOf(session, reference));
      break;
  }
}

function setSource(code: DataView, at: number, source: number): void {
  code.setUint8(at + 1, (code.getUint8(at + 1) & 15) | (source << 4));
}

function mapFd(session: Session, index: number): number {
  const map = session.maps[index];
  if (map === undefined)
    throw new InvalidObject("an instruction refers to a map that does not exist");
  return map.fd;
}

function externOf(session: Session, reference: Reference): ResolvedExtern {
  return session.externs[reference.index] ?? { kind: "missing" };
}

function patchAddress(session: Session, code: DataView, at: number, extern: ResolvedExtern): void {
  switch (extern.kind) {
    case "setting": {
      const index = session.object.mapList.findIndex((map) => map.kind === "kconfig");
      setSource(code, at, PSEUDO.mapValue);
      code.setInt32(at + 4, mapFd(session, index), true);
      code.setInt32(at + 12, extern.offset, true);
      break;
    }
    case "variable":
    case "function":
      setSource(code, at, PSEUDO.btfId);
      code.setInt32(at + 4, extern.typeId, true);
      code.setInt32(at + 12, 0, true);
      break;
    case "address":
    case "missing": {
      const address = extern.kind === "address" ? extern.address : 0n;
      code.setUint32(at + 4, Number(address & 0xffffffffn), true);
      code.setUint32(at + 12, Number(address >> 32n), true);
      break;
    }
  }
}

function patchCall(code: DataView, at: number, index: number, extern: ResolvedExtern): void {
  if (extern.kind === "function") {
    setSource(code, at, PSEUDO.kernelCall);
    code.setInt32(at + 4, extern.typeId, true);
    code.setInt16(at + 2, 0, true);
    return;
  }
  code.setUint32(at, 0x85, true);
  code.setInt32(at + 4, MISSING_CALL + index, true);
}
