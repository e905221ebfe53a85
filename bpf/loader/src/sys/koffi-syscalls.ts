import koffi, { type KoffiFunc } from "koffi";
import type { MapRequest, Syscalls } from "./syscalls.ts";

/** System call numbers by machine (asm/unistd.h). */
const NUMBERS: Readonly<Record<string, CallNumbers>> = {
  x64: {
    bpf: 321,
    close: 3,
    mmap: 9,
    munmap: 11,
    mount: 165,
    umount2: 166,
    eventfd2: 290,
    epollCreate1: 291,
    epollCtl: 233,
    epollPwait: 281,
    write: 1,
    perfEventOpen: 298,
  },
  arm64: {
    bpf: 280,
    close: 57,
    mmap: 222,
    munmap: 215,
    mount: 40,
    umount2: 39,
    eventfd2: 19,
    epollCreate1: 20,
    epollCtl: 21,
    epollPwait: 22,
    write: 64,
    perfEventOpen: 241,
  },
};

interface CallNumbers {
  readonly bpf: number;
  readonly close: number;
  readonly mmap: number;
  readonly munmap: number;
  readonly mount: number;
  readonly umount2: number;
  readonly eventfd2: number;
  readonly epollCreate1: number;
  readonly epollCtl: number;
  readonly epollPwait: number;
  readonly write: number;
  readonly perfEventOpen: number;
}

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_FIXED_NOREPLACE = 0x100000;
const CLOEXEC = 0o2000000;
const NONBLOCK = 0o4000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const MNT_DETACH = 2;
const ENOSYS = 38;

/** The real kernel, through the C library this process already runs on (glibc or musl). */
export function openKernel(): Syscalls {
  kernel ??= new KoffiSyscalls();
  return kernel;
}

let kernel: Syscalls | undefined;

/** Signatures with a fixed number of arguments: the variadic one costs a declaration per call. */
const SIX_NUMBERS = "long syscall(long n, long a, long b, long c, long d, long e, long f)";
const SECOND_BYTES = "long syscall(long n, long a, void *b, long c, long d, long e, long f)";
const FOURTH_BYTES = "long syscall(long n, long a, long b, long c, void *d, long e, long f)";
const FIRST_TEXT = "long syscall(long n, const char *a, long b, long c, long d, long e, long f)";
const THREE_TEXTS =
  "long syscall(long n, const char *a, const char *b, const char *c, long d, long e, long f)";

type Argument = number | string | Uint8Array;
type SystemCall = KoffiFunc<(...args: Argument[]) => number>;

class KoffiSyscalls implements Syscalls {
  readonly #numbers: CallNumbers;
  readonly #call: SystemCall;
  readonly #secondBytes: SystemCall;
  readonly #fourthBytes: SystemCall;
  readonly #firstText: SystemCall;
  readonly #threeTexts: SystemCall;

  constructor() {
    const numbers = NUMBERS[process.arch];
    if (numbers === undefined) throw new Error(`no system call numbers for ${process.arch}`);
    this.#numbers = numbers;
    const libc = koffi.load(null);
    const declare = (signature: string) => libc.func(signature) as SystemCall;
    this.#call = declare(SIX_NUMBERS);
    this.#secondBytes = declare(SECOND_BYTES);
    this.#fourthBytes = declare(FOURTH_BYTES);
    this.#firstText = declare(FIRST_TEXT);
    this.#threeTexts = declare(THREE_TEXTS);
  }

  bpf(command: number, attr: number, size: number): number {
    return result(this.#call(this.#numbers.bpf, command, attr, size, 0, 0, 0));
  }

  close(fd: number): number {
    return result(this.#call(this.#numbers.close, fd, 0, 0, 0, 0, 0));
  }

  mmap(request: MapRequest): number {
    const protection = PROT_READ | (request.writable ? PROT_WRITE : 0);
    const { length, fd, offset, address = 0 } = request;
    const place = address === 0 ? 0 : MAP_FIXED_NOREPLACE;
    const flags = place | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
    return result(this.#call(this.#numbers.mmap, address, length, protection, flags, fd, offset));
  }

  munmap(address: number, length: number): number {
    return result(this.#call(this.#numbers.munmap, address, length, 0, 0, 0, 0));
  }

  memory(address: number, length: number): ArrayBuffer {
    return koffi.view(BigInt(address), length);
  }

  mount(filesystem: string, path: string): number {
    return result(this.#threeTexts(this.#numbers.mount, filesystem, path, filesystem, 0, 0, 0));
  }

  unmount(path: string): number {
    return result(this.#firstText(this.#numbers.umount2, path, MNT_DETACH, 0, 0, 0, 0));
  }

  eventfd(): number {
    return result(this.#call(this.#numbers.eventfd2, 0, CLOEXEC | NONBLOCK, 0, 0, 0, 0));
  }

  epollCreate(): number {
    return result(this.#call(this.#numbers.epollCreate1, CLOEXEC, 0, 0, 0, 0, 0));
  }

  epollAdd(epoll: number, fd: number): number {
    // struct epoll_event: packed to 12 bytes on x86-64, 16 elsewhere; events come first in both.
    const event = new Uint8Array(16);
    new DataView(event.buffer).setUint32(0, EPOLLIN, true);
    return result(this.#fourthBytes(this.#numbers.epollCtl, epoll, EPOLL_CTL_ADD, fd, event, 0, 0));
  }

  epollWait(epoll: number, timeoutMs: number): Promise<number> {
    const events = new Uint8Array(16 * 4);
    const { promise, resolve } = Promise.withResolvers<number>();
    const done = (error: unknown, value: number) => {
      // errno of the waiting thread is not this thread's: any failure counts as "look again".
      resolve(error === null && value >= 0 ? value : -ENOSYS);
      events.fill(0);
    };
    this.#secondBytes.async(this.#numbers.epollPwait, epoll, events, 4, timeoutMs, 0, 0, done);
    return promise;
  }

  wake(eventfd: number): number {
    const one = new Uint8Array(8);
    one[0] = 1;
    return result(this.#secondBytes(this.#numbers.write, eventfd, one, 8, 0, 0, 0));
  }

  perfEventOpen(attr: number, pid: number, cpu: number): number {
    const PERF_FLAG_FD_CLOEXEC = 8;
    return result(
      this.#call(this.#numbers.perfEventOpen, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC, 0),
    );
  }
}

/** -1 becomes the negative errno, read before any other call can change it. */
function result(value: number): number {
  return value === -1 ? -koffi.errno() : value;
}
