/**
 * The door to the kernel: one interface, implemented by koffi-syscalls.ts and by fakes in tests. Only this folder
 * may load a foreign library. Calls return what the kernel returns: a value of 0 or more, or a
 * negative errno; nothing here throws for a failing call.
 */
export interface Syscalls {
  /** bpf(2) with a `union bpf_attr` at `attr` of `size` bytes. */
  bpf(command: number, attr: number, size: number): number;
  close(fd: number): number;
  /** mmap(2): the address, or a negative errno. */
  mmap(request: MapRequest): number;
  munmap(address: number, length: number): number;
  /** The memory at an address as bytes; valid until `munmap`. */
  memory(address: number, length: number): ArrayBuffer;
  mount(filesystem: string, path: string): number;
  unmount(path: string): number;
  eventfd(): number;
  epollCreate(): number;
  /** Watches `fd` for reading. */
  epollAdd(epoll: number, fd: number): number;
  /** Waits on another thread until something is readable; resolves with the number of events or -errno. */
  epollWait(epoll: number, timeoutMs: number): Promise<number>;
  /** Adds one to an eventfd, waking whoever waits for it. */
  wake(eventfd: number): number;
  /** perf_event_open(2) with an attribute at `attr`. */
  perfEventOpen(attr: number, pid: number, cpu: number): number;
}

/** What to map: `fd` -1 for anonymous memory. */
export interface MapRequest {
  readonly fd: number;
  readonly length: number;
  readonly offset: number;
  readonly writable: boolean;
  /** Where it must lie (nothing else may be there); anywhere when left out or 0. */
  readonly address?: number;
}
