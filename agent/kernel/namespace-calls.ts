/** The few system calls about namespaces, mounts and netlink sockets, with errors that name what was attempted. */

import { errnoName } from "./errno.ts";
import { addressOf, cString, lastErrno, libc } from "./ffi.ts";
import { SO_NETNS_COOKIE, SOL_SOCKET } from "./socket-constants.ts";

const CLONE_NEWNET = 0x40000000;
const MS_BIND = 4096;
const MNT_DETACH = 2;
const PROPAGATION = { private: 1 << 18, shared: 1 << 20 } as const;

/** A system call failed. */
export class SystemCallError extends Error {
  /** Symbolic, for example `EPERM`. */
  readonly errno: string;

  constructor(what: string, errno: string) {
    super(`could not ${what}: ${errno}`);
    this.name = "SystemCallError";
    this.errno = errno;
  }
}

/** Moves this thread into a network namespace (setns(2)). */
export function enterNetns(netns: number): void {
  check(`enter network namespace of descriptor ${netns}`, libc.setns(netns, CLONE_NEWNET));
}

/** Moves this thread into a new network namespace (unshare(2)). */
export function leaveToNewNetns(): void {
  check("make a network namespace", libc.unshare(CLONE_NEWNET));
}

/** Makes `source` visible at `target` too, which must exist (mount(2), MS_BIND). */
export function bindMount(source: string, target: string): void {
  const from = cString(source);
  const to = cString(target);
  const result = libc.mount(addressOf(from), addressOf(to), 0, MS_BIND, 0);
  check(`bind mount ${source} on ${target}`, result);
}

/** Changes how mounts below `target` are seen in other mount namespaces (MS_SHARED, MS_PRIVATE…). */
export function setPropagation(target: string, propagation: "shared" | "private"): void {
  const to = cString(target);
  const result = libc.mount(0, addressOf(to), 0, PROPAGATION[propagation], 0);
  check(`make the mount ${target} ${propagation}`, result);
}

/** Mounts a BPF file system, a home for pinned maps and programs, on an existing directory. */
export function mountBpf(target: string): void {
  const type = cString("bpf");
  const to = cString(target);
  const result = libc.mount(addressOf(type), addressOf(to), addressOf(type), 0, 0);
  check(`mount a BPF file system on ${target}`, result);
}

/** Removes the topmost mount of `target`, even while it is in use (MNT_DETACH). False when nothing is mounted there. */
export function detachMount(target: string): boolean {
  const at = cString(target);
  if (libc.umount2(addressOf(at), MNT_DETACH) === 0) return true;
  const errno = lastErrnoName();
  // EINVAL is the kernel's word for "not a mount point".
  if (errno === "EINVAL" || errno === "ENOENT") return false;
  throw new SystemCallError(`unmount ${target}`, errno);
}

/** Opens a socket (socket(2)). */
export function openSocket(domain: number, type: number, protocol: number): number {
  return check(`open a socket of family ${domain}`, libc.socket(domain, type, protocol));
}

/** Closes a descriptor. */
export function closeDescriptor(fd: number): void {
  check(`close descriptor ${fd}`, libc.close(fd));
}

/** Sends one datagram. */
export function sendDatagram(fd: number, bytes: Uint8Array): void {
  check("send to a netlink socket", libc.send(fd, addressOf(bytes), bytes.length, 0));
}

/** Waits for one datagram and returns its length. */
export function receiveDatagram(fd: number, buffer: Uint8Array): number {
  return check("receive from a netlink socket", libc.recv(fd, addressOf(buffer), buffer.length, 0));
}

/** The cookie of the network namespace this thread is in. */
export function currentNetnsCookie(): bigint {
  const fd = openSocket(2, 0x80002, 0);
  try {
    const value = new BigUint64Array(1);
    const length = Uint32Array.of(8);
    check(
      "read SO_NETNS_COOKIE",
      libc.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, addressOf(value), addressOf(length)),
    );
    return value[0] ?? 0n;
  } finally {
    closeDescriptor(fd);
  }
}

function check(what: string, result: number): number {
  if (result < 0) throw new SystemCallError(what, lastErrnoName());
  return result;
}

function lastErrnoName(): string {
  return errnoName(lastErrno());
}
