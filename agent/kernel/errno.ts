/**
 * Names of Linux error numbers, both ways. Failed calls travel as negative errno (the kernel's own
 * convention), so one number says both "failed" and "why".
 */

import { constants } from "node:os";

const NAMES: readonly string[] = nameTable();

/** The operation would block: wait for readiness. */
export const EAGAIN: number = constants.errno.EAGAIN;
/** A signal came first: call again. */
export const EINTR: number = constants.errno.EINTR;
/** Nothing of that name, or not added to this epoll. */
export const ENOENT: number = constants.errno.ENOENT;
/** Not an open descriptor. */
export const EBADF: number = constants.errno.EBADF;
/** Memory that is not this process's. */
export const EFAULT: number = constants.errno.EFAULT;
/** A non-blocking connect is under way. */
export const EINPROGRESS: number = constants.errno.EINPROGRESS;
/** This process has no free descriptor (RLIMIT_NOFILE). */
export const EMFILE: number = constants.errno.EMFILE;
/** The machine has no free descriptor. */
export const ENFILE: number = constants.errno.ENFILE;
/** No socket buffer memory right now. */
export const ENOBUFS: number = constants.errno.ENOBUFS;
/** No kernel memory right now. */
export const ENOMEM: number = constants.errno.ENOMEM;
/** The peer gave up before accept(). */
export const ECONNABORTED: number = constants.errno.ECONNABORTED;
/** The peer sent RST. */
export const ECONNRESET: number = constants.errno.ECONNRESET;
/** Writing to a connection whose end is known. */
export const EPIPE: number = constants.errno.EPIPE;
/** No such connection (any more). */
export const ENOTCONN: number = constants.errno.ENOTCONN;
/** No free port, or the address is not this host's. */
export const EADDRNOTAVAIL: number = constants.errno.EADDRNOTAVAIL;
/** The kernel knows no such kind of address: IPv6 where it was booted with ipv6.disable=1. */
export const EAFNOSUPPORT: number = constants.errno.EAFNOSUPPORT;

/** EINVAL as a failed result: an argument that never reached the kernel. */
export const EINVAL_RESULT: number = -constants.errno.EINVAL;

/** The symbolic name (`ECONNREFUSED`) of an errno, positive or negative; `E<number>` when it has none here. */
export function errnoName(errno: number): string {
  const number = Math.abs(errno);
  return NAMES[number] ?? `E${number}`;
}

function nameTable(): string[] {
  const names: string[] = [];
  for (const [name, number] of Object.entries(constants.errno)) names[number] ??= name;
  // Two names share a number; these are the ones that socket calls mean.
  names[constants.errno.EAGAIN] = "EAGAIN";
  names[constants.errno.EOPNOTSUPP] = "EOPNOTSUPP";
  return names;
}
