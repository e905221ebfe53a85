/** The causes of a channel's end, and what a failed system call means for one. */

import { ECONNRESET, ENOBUFS, ENOMEM, ENOTCONN, EPIPE, errnoName } from "../kernel/errno.ts";
import { SO_ERROR, SOL_SOCKET } from "../kernel/socket-constants.ts";
import type { CloseCause } from "./channel.ts";
import type { System } from "./system.ts";

/** Both directions ended, or we closed. */
export const CLOSED: CloseCause = { kind: "closed" };
/** RST came. */
export const RESET: CloseCause = { kind: "reset" };
/** Too many bytes queued for a slow reader. */
export const MEMORY_LIMIT: CloseCause = { kind: "memory-limit" };
/** Ours, not the kernel's: a timer fired. */
export const TIMED_OUT: CloseCause = { kind: "failed", errno: "ETIMEDOUT" };
/** Not an errno: a handler of ours threw. */
export const THREW: CloseCause = { kind: "failed", errno: "handler-threw" };

/**
 * What the errno (positive or negative) of a read or write on a connection says about its end. The kernel
 * reports a RST as ECONNRESET, after the peer's FIN as EPIPE, and once that was reported as ENOTCONN.
 */
export function causeOf(errno: number): CloseCause {
  const number = Math.abs(errno);
  if (number === ECONNRESET || number === EPIPE || number === ENOTCONN) return RESET;
  return failedWith(number);
}

/** The cause that names an errno (positive or negative). */
export function failedWith(errno: number): CloseCause {
  return { kind: "failed", errno: errnoName(errno) };
}

/** What the kernel calls a peer that it gave up on: what it last heard from the way there, or nothing at all. */
const VANISHED: ReadonlySet<string> = new Set([
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
]);

/** The errno of a peer that did not answer any more: its machine, or the way there, is gone. Else undefined. */
export function vanishedErrno(cause: CloseCause): string | undefined {
  return cause.kind === "failed" && VANISHED.has(cause.errno) ? cause.errno : undefined;
}

/** The errno that waits to be told of a socket, 0 for none; it is told once. */
export function pendingError(system: System, fd: number): number {
  return system.getOption(fd, SOL_SOCKET, SO_ERROR);
}

/** Whether a negative errno only says that the kernel is short of memory right now. */
export function isScarcity(result: number): boolean {
  return result === -ENOBUFS || result === -ENOMEM;
}
