/**
 * The pure core of ebpf-loader-wasm, compiled by asc to wasm/loader-core.wasm. It reads ELF and BTF, links
 * sub-programs and resolves CO-RE relocations. It imports nothing from the host, so it can do no I/O and gives
 * the same answer on every machine. Every answer is a *tape* (tape.ts), read by src/core/.
 * Rules: a malformed input must end in a refusal (fault.ts), never in a trap or an endless loop; so each read
 * of foreign bytes is bounds-checked and each walk over references has a bound.
 * Written from the ELF specification, Documentation/bpf/{btf,llvm_reloc}.rst and the bpf(2) manual.
 */
import { clearFault, fail, faultMessage, hasFault } from "./fault";
import { Tape } from "./tape";
import { ElfFile, readElf } from "./elf";
import { Btf, readBtf } from "./btf";
import { Target, namesType } from "./target";
import { writeCollection } from "./collection";
import { relocateProgram } from "./relocate";
import { typesAreCompatible } from "./compat";
import { writeType } from "./types-out";
import { sanitise } from "./sanitise";
import { Text } from "./text";

let target: Target | null = null;
let objectTypes: Btf | null = null;

/** Room of `size` bytes for an input of the host; valid until `reset`. */
export function reserve(size: u32): usize {
  return heap.alloc(size);
}

/** Forgets everything: inputs, answers, target types. */
export function reset(): void {
  target = null;
  objectTypes = null;
  clearFault();
  __reset();
}

/** Reads an object file. Answer: status, then the collection (collection.ts). */
export function parseObject(ptr: usize, size: u32): usize {
  clearFault();
  const tape = new Tape();
  tape.u32(0);
  const elf: ElfFile = readElf(ptr, size);
  if (!hasFault()) writeCollection(tape, elf);
  return finish(tape);
}

/** Reads the running kernel's BTF and indexes its names. Answer: status only. */
export function openTarget(ptr: usize, size: u32): usize {
  clearFault();
  const tape = new Tape();
  tape.u32(0);
  const types = readBtf(ptr, size);
  if (!hasFault()) target = new Target(types);
  return finish(tape);
}

/** Reads the object's BTF, for `relocate` and `compatible` below. Answer: status only. */
export function openObjectTypes(ptr: usize, size: u32): usize {
  clearFault();
  const tape = new Tape();
  tape.u32(0);
  objectTypes = readBtf(ptr, size);
  return finish(tape);
}

/**
 * Resolves the CO-RE records of one program. Input: instructions, then records of
 * (instruction, type id, access string offset, kind), four u32 each. Answer: status, the instructions.
 */
export function relocate(code: usize, codeSize: u32, records: usize, count: u32): usize {
  clearFault();
  const tape = new Tape();
  tape.u32(0);
  const local = objectTypes;
  if (local == null) fail("the object's types are not open");
  else relocateProgram(local, target, new Text(code, codeSize), new Text(records, count));
  if (!hasFault()) tape.bytes(code, codeSize);
  return finish(tape);
}

/** Id of the target's type of exactly that name and BTF kind, 0 when there is none. */
export function findTarget(name: usize, length: u32, kind: u32): u32 {
  const known = target;
  return known == null ? 0 : namesType(known, new Text(name, length), kind);
}

/** 1 when the object's type is compatible with the target's in the sense of CO-RE. */
export function compatible(localId: u32, targetId: u32): u32 {
  const known = target;
  const local = objectTypes;
  if (known == null || local == null) return 0;
  if (localId >= local.count || targetId >= known.types.count) return 0;
  return typesAreCompatible(local, localId, known.types, targetId) ? 1 : 0;
}

/** Describes one type of the target. Answer: status, the type (types-out.ts). */
export function describeTarget(id: u32): usize {
  clearFault();
  const tape = new Tape();
  tape.u32(0);
  const known = target;
  if (known == null || id >= known.types.count) fail("no such type in the target");
  else writeType(tape, known.types, id);
  return finish(tape);
}

/** Rewrites a BTF blob in place for a kernel lacking some kinds (flags: sanitise.ts). Answer: status. */
export function sanitiseTypes(ptr: usize, size: u32, lacking: u32): usize {
  clearFault();
  const tape = new Tape();
  tape.u32(0);
  const types = readBtf(ptr, size);
  if (!hasFault()) sanitise(types, lacking);
  return finish(tape);
}

function finish(tape: Tape): usize {
  if (!hasFault()) return tape.start();
  const refusal = new Tape();
  refusal.u32(1);
  refusal.words(faultMessage());
  return refusal.start();
}
