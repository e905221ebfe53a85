import { BpfCall } from "./bpf-call.ts";
import { openKernel } from "./koffi-syscalls.ts";
import type { Syscalls } from "./syscalls.ts";

/** What everything that talks to the kernel is given: the door, and the builder of bpf(2) calls. */
export interface Host {
  readonly syscalls: Syscalls;
  readonly call: BpfCall;
}

/** A host over that door; for tests with a fake. */
export function hostOver(syscalls: Syscalls): Host {
  return { syscalls, call: new BpfCall(syscalls) };
}

/** The running kernel. One per thread, made on first use. */
export function kernelHost(): Host {
  host ??= hostOver(openKernel());
  return host;
}

let host: Host | undefined;
