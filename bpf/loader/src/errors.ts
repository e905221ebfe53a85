import { getSystemErrorName } from "node:util";

/**
 * Every error of the package: a closed list, each saying what to do about it. A bare errno never
 * leaves the package: `SystemError` carries call, object and name.
 */

/** The object file can't be used: malformed, or made of parts this loader does not support. */
export class InvalidObject extends Error {
  override readonly name = "InvalidObject";
}

/** A program, map or variable of that name is not in the object. The message lists near ones. */
export class UnknownName extends Error {
  override readonly name = "UnknownName";

  constructor(kind: string, wanted: string, known: Iterable<string>) {
    super(`no ${kind} "${wanted}"; there are: ${[...known].join(", ") || "none"}`);
  }
}

/** A value does not fit the type it is written to. */
export class ValueOutOfRange extends Error {
  override readonly name = "ValueOutOfRange";
}

/** A system call failed; `code` is the errno's name, such as `EPERM`. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly code: string;
  readonly errno: number;

  constructor(call: string, errno: number, hint = "") {
    const code = errnoName(errno);
    super(`${call}: ${code}${hint === "" ? "" : ` (${hint})`}`);
    this.code = code;
    this.errno = errno;
  }
}

/** The running kernel lacks a feature the object needs. */
export class UnsupportedFeature extends Error {
  override readonly name = "UnsupportedFeature";
  /** What is missing, and the first kernel version that has it. */
  readonly feature: string;
  readonly since: string;

  constructor(feature: string, since: string) {
    super(`this kernel has no ${feature} (needs Linux ${since} or newer)`);
    this.feature = feature;
    this.since = since;
  }
}

/** What a program wants to attach to does not exist in the running kernel. */
export class MissingAttachTarget extends Error {
  override readonly name = "MissingAttachTarget";
}

/** A kernel symbol or setting that a program needs (not weak) does not exist. */
export class MissingKernelSymbol extends Error {
  override readonly name = "MissingKernelSymbol";
}

/** A map wants to be pinned by name but `load()` was not told where. */
export class MissingPinDirectory extends Error {
  override readonly name = "MissingPinDirectory";
}

/** A pinned map exists under the name but is defined otherwise; the message lists the differences. */
export class PinMismatch extends Error {
  override readonly name = "PinMismatch";
}

/** A pinned program or link is not the code that was expected. */
export class TagMismatch extends Error {
  override readonly name = "TagMismatch";
}

/** The verifier refused a program. `log` is its whole answer (cut at the asked-for size). */
export class VerifierError extends Error {
  override readonly name = "VerifierError";
  readonly program: string;
  readonly code: string;
  readonly log: string;
  /** The instruction the verifier stopped at, -1 when it names none. */
  readonly instruction: number;
  /** Source line of that instruction (`file:line`), empty without line information. */
  readonly source: string;

  constructor(refusal: VerifierRefusal) {
    super(describeRefusal(refusal));
    this.program = refusal.program;
    this.code = errnoName(refusal.errno);
    this.log = refusal.log;
    this.instruction = refusal.instruction;
    this.source = refusal.source;
  }
}

/** The parts of a `VerifierError`. */
export interface VerifierRefusal {
  readonly program: string;
  readonly errno: number;
  readonly log: string;
  readonly instruction: number;
  readonly source: string;
  /** The line of the log that tells most. */
  readonly telling: string;
}

function describeRefusal(refusal: VerifierRefusal): string {
  const at = refusal.instruction < 0 ? "" : ` at instruction ${refusal.instruction}`;
  const source = refusal.source === "" ? "" : ` (${refusal.source})`;
  const lines = refusal.log.split("\n").length - 1;
  const omitted = lines > 1 ? ` [${lines} lines of log in .log]` : "";
  const why = refusal.telling === "" ? errnoName(refusal.errno) : refusal.telling;
  return `program "${refusal.program}" refused${at}${source}: ${why}${omitted}`;
}

/** `EPERM` for 1; numbers unknown to the C library as `errno 524`. */
export function errnoName(errno: number): string {
  if (errno === 524) return "ENOTSUPP";
  try {
    return getSystemErrorName(-errno);
  } catch {
    return `errno ${errno}`;
  }
}
