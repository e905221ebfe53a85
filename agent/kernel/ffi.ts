/**
 * The only door to libc. Every function here is one C function called through koffi, with a fixed arity
 * (also the variadic ones, whose optional arguments are always integers in this code base) and with memory
 * passed as plain numbers: a user-space address is below 2^47, so a double holds it exactly, and koffi takes
 * a number as fast as a bigint without the allocation (measured: 40 ns over the bare system call).
 * It must never keep state of its own beyond the loaded symbols, never decide anything, and never throw on a
 * failed call: callers read the return value and `lastErrno()` in the same breath.
 * Works in worker threads: each thread evaluates this module for itself, and errno is per thread.
 */

import koffi from "koffi";

/** An address in this process's memory, or 0 for NULL. Always a safe integer. */
export type Address = number;

/** libc by its own names and argument orders; see the manual page of each. Results below 0 mean: read lastErrno(). */
export interface Libc {
  read(fd: number, buffer: Address, length: number): number;
  write(fd: number, buffer: Address, length: number): number;
  writev(fd: number, iovecs: Address, count: number): number;
  splice(
    fromFd: number,
    fromOffset: Address,
    toFd: number,
    toOffset: Address,
    length: number,
    flags: number,
  ): number;
  pipe2(fds: Address, flags: number): number;
  close(fd: number): number;
  socket(family: number, type: number, protocol: number): number;
  accept4(fd: number, address: Address, addressLength: Address, flags: number): number;
  connect(fd: number, address: Address, addressLength: number): number;
  bind(fd: number, address: Address, addressLength: number): number;
  listen(fd: number, backlog: number): number;
  shutdown(fd: number, how: number): number;
  getsockname(fd: number, address: Address, addressLength: Address): number;
  getpeername(fd: number, address: Address, addressLength: Address): number;
  getsockopt(fd: number, level: number, name: number, value: Address, valueLength: Address): number;
  setsockopt(fd: number, level: number, name: number, value: Address, valueLength: number): number;
  send(fd: number, buffer: Address, length: number, flags: number): number;
  sendto(
    fd: number,
    buffer: Address,
    length: number,
    flags: number,
    address: Address,
    addressLength: number,
  ): number;
  recv(fd: number, buffer: Address, length: number, flags: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epollFd: number, operation: number, fd: number, event: Address): number;
  epoll_wait(epollFd: number, events: Address, maxEvents: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  ioctl(fd: number, request: number, argument: Address): number;
  fcntl(fd: number, command: number, argument: number): number;
  flock(fd: number, operation: number): number;
  setns(fd: number, type: number): number;
  unshare(flags: number): number;
  mount(source: Address, target: Address, type: Address, flags: number, data: Address): number;
  umount2(target: Address, flags: number): number;
  mmap(
    address: Address,
    length: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ): number;
  munmap(address: Address, length: number): number;
  /** The raw door for calls without a libc wrapper (bpf(2), pidfd_open(2)…): number and up to six arguments. */
  syscall(number: number, a: number, b: number, c: number, d: number, e: number, f: number): number;
  malloc_trim(pad: number): number;
  /** Ends the whole process at once, also from a worker thread (where process.abort() is missing). */
  abort(): void;
}

const I32 = "int";
const PTR = "uint64_t";
const LEN = "uint64_t";
const I64 = "int64_t";

/** Result type first, then the arguments. */
const SIGNATURES: { readonly [Name in keyof Libc]: readonly [string, ...string[]] } = {
  read: [I64, I32, PTR, LEN],
  write: [I64, I32, PTR, LEN],
  writev: [I64, I32, PTR, I32],
  splice: [I64, I32, PTR, I32, PTR, LEN, I32],
  pipe2: [I32, PTR, I32],
  close: [I32, I32],
  socket: [I32, I32, I32, I32],
  accept4: [I32, I32, PTR, PTR, I32],
  connect: [I32, I32, PTR, I32],
  bind: [I32, I32, PTR, I32],
  listen: [I32, I32, I32],
  shutdown: [I32, I32, I32],
  getsockname: [I32, I32, PTR, PTR],
  getpeername: [I32, I32, PTR, PTR],
  getsockopt: [I32, I32, I32, I32, PTR, PTR],
  setsockopt: [I32, I32, I32, I32, PTR, I32],
  send: [I64, I32, PTR, LEN, I32],
  sendto: [I64, I32, PTR, LEN, I32, PTR, I32],
  recv: [I64, I32, PTR, LEN, I32],
  epoll_create1: [I32, I32],
  epoll_ctl: [I32, I32, I32, I32, PTR],
  epoll_wait: [I32, I32, PTR, I32, I32],
  eventfd: [I32, I32, I32],
  ioctl: [I32, I32, "uint64_t", PTR],
  fcntl: [I32, I32, I32, I64],
  flock: [I32, I32, I32],
  setns: [I32, I32, I32],
  unshare: [I32, I32],
  mount: [I32, PTR, PTR, PTR, "uint64_t", PTR],
  umount2: [I32, PTR, I32],
  mmap: [I64, PTR, LEN, I32, I32, I32, I64],
  munmap: [I32, PTR, LEN],
  syscall: [I64, I64, I64, I64, I64, I64, I64, I64],
  malloc_trim: [I32, LEN],
  abort: ["void"],
};

/** The C library of this process. */
export const libc: Libc = loadLibc();

/** The number of bpf(2). */
export const SYS_BPF: number = process.arch === "x64" ? 321 : 280;

const errnoCell: Int32Array = new Int32Array(
  koffi.view(koffi.load(null).func("__errno_location", "void *", [])(), 4),
);

/**
 * The calling thread's errno, a positive number. Meaningful only directly after a call that failed:
 * read it in the same expression (`if (n < 0) return -lastErrno()`).
 */
export function lastErrno(): number {
  return errnoCell[0] as number;
}

/** Addresses of buffers seen before; a buffer's memory never moves, so an entry stays true. */
const addresses = new WeakMap<ArrayBufferLike, Address>();
let recentBuffer: ArrayBufferLike = new ArrayBuffer(0);
let recentAddress: Address = 0;
let olderBuffer: ArrayBufferLike = recentBuffer;
let olderAddress: Address = 0;

/**
 * The address of a view's first byte. It stays true while the caller keeps the view alive: V8 never moves
 * the memory behind an ArrayBuffer (asking for `.buffer` of a tiny typed array moves it out of the heap once).
 */
export function addressOf(view: ArrayBufferView): Address {
  const buffer = view.buffer;
  if (buffer === recentBuffer) return recentAddress + view.byteOffset;
  if (buffer === olderBuffer) return olderAddress + view.byteOffset;
  let address = addresses.get(buffer);
  if (address === undefined) {
    // An empty buffer may have no memory at all; nothing reads from or writes to it.
    address = buffer.byteLength === 0 ? 0 : Number(koffi.address(buffer));
    addresses.set(buffer, address);
  }
  olderBuffer = recentBuffer;
  olderAddress = recentAddress;
  recentBuffer = buffer;
  recentAddress = address;
  return address + view.byteOffset;
}

/**
 * A view of memory that C owns (an mmap, a ring buffer): `length` bytes at `address`. The caller guarantees
 * that the memory stays mapped while the view is used.
 */
export function memoryAt(address: Address, length: number): ArrayBuffer {
  return koffi.view(BigInt(address), length);
}

/** A NUL-terminated UTF-8 copy of a text, for arguments that C reads as `char *`. Keep it alive during the call. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

function loadLibc(): Libc {
  const library = koffi.load(null);
  const functions: Record<string, unknown> = {};
  for (const [name, [result, ...parameters]] of Object.entries(SIGNATURES))
    functions[name] = library.func(name, result, parameters);
  // The mapped type of SIGNATURES guarantees that each name is there; the types of each are stated once, above.
  return functions as unknown as Libc;
}
