import type { Codec } from "../api/codec.ts";
import type { RingBuffer } from "../api/maps.ts";
import type { MapHandle } from "../api/objects.ts";
import { SystemError } from "../errors.ts";
import { MAP_TYPE } from "../sys/constants.ts";
import { expectMap } from "./check-codec.ts";
import type { KernelMap } from "./kernel-map.ts";

/*
 * Layout (Documentation/bpf/ringbuf.rst): a page with the consumer's position, a page with the producer's, then
 * the data, mapped twice in a row so that no record is ever split. A record has an 8-byte header whose first
 * word is its length and two flags.
 */
const PAGE = 4096;
const HEADER = 8;
const BUSY = 0x80000000;
const DISCARDED = 0x40000000;
const LENGTH_MASK = 0x3fffffff;
/** Longest wait of the thread that sits in epoll: bounds how long an unref'd process lingers, costs nothing. */
const EPOLL_TIMEOUT_MS = 1000;

/**
 * A consumer of a ring buffer map; records are decoded by `value` (a record shorter than the codec throws
 * `RangeError`). One consumer per map. Throws `SystemError` when the map can't be mapped.
 */
export function ringBuffer<V>(map: MapHandle, value: Codec<V>): RingBuffer<V> {
  return new RingConsumer(
    expectMap(map, { kind: "ring buffer", types: [MAP_TYPE.ringBuffer] }),
    value,
  );
}

interface Mapped {
  readonly address: number;
  readonly length: number;
}

class RingConsumer<V> implements RingBuffer<V> {
  readonly map: KernelMap;
  readonly #value: Codec<V>;
  readonly #mask: number;
  readonly #mappings: Mapped[] = [];
  readonly #consumer: BigInt64Array;
  readonly #producer: BigInt64Array;
  readonly #data: DataView;
  readonly #wake: number;
  #open = true;

  constructor(map: KernelMap, value: Codec<V>) {
    this.map = map;
    this.#value = value;
    const size = map.definition.maxEntries;
    this.#mask = size - 1;
    this.#consumer = new BigInt64Array(this.#mapPages(0, PAGE, true), 0, 1);
    const shared = this.#mapPages(PAGE, PAGE + 2 * size, false);
    this.#producer = new BigInt64Array(shared, 0, 1);
    this.#data = new DataView(shared, PAGE);
    this.#wake = map.host.syscalls.eventfd();
  }

  get fd(): number {
    return this.map.fd;
  }

  consume(onRecord: (record: V) => void): number {
    let count = 0;
    while (this.#open) {
      const record = this.#next();
      if (record === "none") break;
      if (record === "discarded") continue;
      count++;
      onRecord(record.value);
    }
    return count;
  }

  async *records(signal?: AbortSignal): AsyncGenerator<V> {
    const { syscalls } = this.map.host;
    const epoll = syscalls.epollCreate();
    if (epoll < 0) throw new SystemError("epoll_create1", -epoll);
    syscalls.epollAdd(epoll, this.map.fd);
    syscalls.epollAdd(epoll, this.#wake);
    const onAbort = () => syscalls.wake(this.#wake);
    signal?.addEventListener("abort", onAbort);
    try {
      const batch: V[] = [];
      while (this.#isWanted(signal)) {
        this.consume((record) => batch.push(record));
        yield* batch.splice(0);
        if (this.#isWanted(signal)) await syscalls.epollWait(epoll, EPOLL_TIMEOUT_MS);
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
      syscalls.close(epoll);
    }
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    const { syscalls } = this.map.host;
    // Wakes whoever waits; the waiting loop then sees that it is closed.
    syscalls.wake(this.#wake);
    syscalls.close(this.#wake);
    for (const { address, length } of this.#mappings) syscalls.munmap(address, length);
  }

  #isWanted(signal: AbortSignal | undefined): boolean {
    return this.#open && signal?.aborted !== true;
  }

  /** Takes one record. It is freed before it is handed out: a callback that throws must not see it again. */
  #next(): { readonly value: V } | "none" | "discarded" {
    const position = Number(Atomics.load(this.#consumer, 0));
    if (position >= Number(Atomics.load(this.#producer, 0))) return "none";
    const place = position % (this.#mask + 1);
    const header = this.#data.getUint32(place, true);
    // Reserved but not yet submitted: what follows waits for it.
    if ((header & BUSY) !== 0) return "none";
    const length = header & LENGTH_MASK;
    const isDiscarded = (header & DISCARDED) !== 0;
    const record = isDiscarded ? "discarded" : this.#decode(place + HEADER, length);
    const taken = Math.ceil((length + HEADER) / 8) * 8;
    Atomics.store(this.#consumer, 0, BigInt(position + taken));
    return record;
  }

  #decode(at: number, length: number): { readonly value: V } {
    if (length < this.#value.size) {
      throw new RangeError(
        `map "${this.map.name}" sent a record of ${length} bytes, its codec has ${this.#value.size}`,
      );
    }
    return { value: this.#value.decode(this.#data, at) };
  }

  #mapPages(offset: number, length: number, writable: boolean): ArrayBuffer {
    const { syscalls } = this.map.host;
    const address = syscalls.mmap({ fd: this.map.fd, length, offset, writable });
    if (address < 0) throw new SystemError(`mmap map "${this.map.name}"`, -address);
    this.#mappings.push({ address, length });
    return syscalls.memory(address, length);
  }
}
