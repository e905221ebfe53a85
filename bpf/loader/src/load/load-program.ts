import type { ParsedProgram } from "../core/parsed.ts";
import { VerifierError } from "../errors.ts";
import { kernelVersionCode } from "../kernel/settings.ts";
import { BPF, ERRNO } from "../sys/constants.ts";
import { type LoadTarget, loadTarget } from "./attach-target.ts";
import { KernelProgram } from "./kernel-program.ts";
import { programImage } from "./program-image.ts";
import type { Session } from "./session.ts";
import { readRefusal } from "./verifier-log.ts";

const ATTR_BYTES = 144;
const DEFAULT_LOG_BYTES = 1 << 20;
/** The verifier gives up with EAGAIN when a signal is pending: Node has timers and threads that send some. */
const MAX_TRIES = 50;

/** What one BPF_PROG_LOAD is made of. */
export interface ProgramRequest {
  readonly program: ParsedProgram;
  readonly target: LoadTarget;
  readonly code: Uint8Array;
}

/** Links, relocates and loads one program. Throws `VerifierError` and what its stages throw. */
export function loadProgram(session: Session, program: ParsedProgram): KernelProgram {
  const target = loadTarget(session.object, program, session.options.attachTargets?.[program.name]);
  const request = { program, target, code: programImage(session, program) };
  const fd = submit(session, request, 0).result;
  if (fd >= 0) {
    return new KernelProgram(session.host, fd, {
      name: program.name,
      type: target.type,
      attachType: target.attachType,
    });
  }
  throw explain(session, request, -fd);
}

/** Loads again with a log, to say why. */
function explain(session: Session, request: ProgramRequest, errno: number): VerifierError {
  const bytes = session.options.verifierLogBytes ?? DEFAULT_LOG_BYTES;
  const { result, log } = submit(session, request, bytes);
  if (result >= 0) session.host.syscalls.close(result);
  const { program } = request;
  const refusal = readRefusal(program, session.object.btf, log);
  return new VerifierError({
    program: program.name,
    errno: result < 0 ? -result : errno,
    log,
    ...refusal,
  });
}

/** One program load, repeated while signals interrupt the verifier. The log is empty unless `logBytes` > 0. */
export function submit(
  session: Session,
  request: ProgramRequest,
  logBytes: number,
): { readonly result: number; readonly log: string } {
  for (let tries = 1; ; tries++) {
    const answer = submitOnce(session, request, logBytes);
    if (answer.result !== -ERRNO.EAGAIN || tries >= MAX_TRIES) return answer;
  }
}

function submitOnce(session: Session, request: ProgramRequest, logBytes: number) {
  const { program, target, code } = request;
  const { object } = session;
  const call = session.host.call
    .begin()
    .u32(0, target.type)
    .u32(4, code.length / 8)
    .data(8, code)
    .text(16, object.license)
    .u32(40, object.version === 0 ? kernelVersionCode() : object.version)
    .u32(44, target.flags)
    .name(48, program.name)
    .u32(68, target.attachType)
    .u32(108, target.kernelTypeId);
  if (session.btfFd >= 0) addTypes(session, program);
  const log = call.room(logBytes);
  if (logBytes > 0) call.u32(24, 1).u32(28, logBytes).u64(32, log.address);
  const result = call.run(BPF.progLoad, ATTR_BYTES);
  const end = logBytes > 0 ? log.bytes.indexOf(0) : 0;
  return {
    result,
    log: Buffer.from(log.bytes.subarray(0, end < 0 ? logBytes : end)).toString("latin1"),
  };
}

/** Function and line information make errors readable and global functions verifiable. */
function addTypes(session: Session, program: ParsedProgram): void {
  const { functionInfo, lineInfo } = program;
  const { call } = session.host;
  if (functionInfo.length === 0) return;
  call
    .u32(72, session.btfFd)
    .u32(76, 8)
    .data(80, bytesOf(functionInfo))
    .u32(88, functionInfo.length / 2);
  if (lineInfo.length === 0) return;
  call
    .u32(92, 16)
    .data(96, bytesOf(lineInfo))
    .u32(104, lineInfo.length / 4);
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
