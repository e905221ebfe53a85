import { SystemError } from "../errors.ts";
import type { Syscalls } from "./syscalls.ts";

const ATTR_ROOM = 256;
const ARENA_BYTES = 256 * 1024;
/** Longest attribute that is ever written, cleared before each call. */
const ATTR_BYTES = 160;

/** Native memory: an address for the kernel and the same bytes for us. */
export interface NativeBlock {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Maps anonymous memory; give it back with `freeNative`. */
export function allocateNative(syscalls: Syscalls, length: number): NativeBlock {
  const rounded = Math.max(4096, Math.ceil(length / 4096) * 4096);
  const address = syscalls.mmap({ fd: -1, length: rounded, offset: 0, writable: true });
  if (address < 0) throw new SystemError("mmap", -address);
  const memory = syscalls.memory(address, rounded);
  return { address, bytes: new Uint8Array(memory), view: new DataView(memory) };
}

/** Unmaps; the block's bytes must not be touched again. */
export function freeNative(syscalls: Syscalls, block: NativeBlock): void {
  syscalls.munmap(block.address, block.bytes.length);
}

/**
 * Builds one bpf(2) call at a time: an attribute, and copies of the data it points to, in native
 * memory that stays mapped (addresses of JavaScript memory may change). Never used across an await.
 */
export class BpfCall {
  readonly #syscalls: Syscalls;
  readonly #arena: NativeBlock;
  #used = ATTR_ROOM;
  #extra: NativeBlock[] = [];

  constructor(syscalls: Syscalls) {
    this.#syscalls = syscalls;
    this.#arena = allocateNative(syscalls, ARENA_BYTES);
  }

  /** Starts a new attribute, all zero. */
  begin(): this {
    for (const block of this.#extra) freeNative(this.#syscalls, block);
    this.#extra = [];
    this.#used = ATTR_ROOM;
    this.#arena.bytes.fill(0, 0, ATTR_BYTES);
    return this;
  }

  u32(offset: number, value: number): this {
    this.#arena.view.setUint32(offset, value, true);
    return this;
  }

  u64(offset: number, value: number | bigint): this {
    this.#arena.view.setBigUint64(offset, BigInt.asUintN(64, BigInt(value)), true);
    return this;
  }

  /** Points the attribute's field at `offset` to a copy of `bytes`. */
  data(offset: number, bytes: Uint8Array): this {
    const room = this.room(bytes.length);
    room.bytes.set(bytes);
    return this.u64(offset, room.address);
  }

  /** Points the field to a NUL-terminated copy of `text`. */
  text(offset: number, text: string): this {
    return this.data(offset, Buffer.from(`${text}\0`));
  }

  /** An object's name, in place: at most 15 characters of those the kernel allows. */
  name(offset: number, name: string): this {
    const clean = name.replaceAll(/[^A-Za-z0-9_.]/g, "_").slice(0, 15);
    this.#arena.bytes.set(Buffer.from(clean), offset);
    return this;
  }

  /** Zeroed native memory that lives until the next `begin`. */
  room(length: number): NativeBlock {
    const start = Math.ceil(this.#used / 8) * 8;
    if (start + length > ARENA_BYTES) {
      const block = allocateNative(this.#syscalls, length);
      this.#extra.push(block);
      return { ...block, bytes: block.bytes.subarray(0, length) };
    }
    this.#used = start + length;
    const bytes = this.#arena.bytes.subarray(start, start + length);
    bytes.fill(0);
    const view = new DataView(bytes.buffer, bytes.byteOffset, length);
    return { address: this.#arena.address + start, bytes, view };
  }

  /** Reads back a field the kernel wrote. */
  read(offset: number): number {
    return this.#arena.view.getUint32(offset, true);
  }

  /** Makes the call: a value of 0 or more, or a negative errno. */
  run(command: number, size: number): number {
    return this.#syscalls.bpf(command, this.#arena.address, size);
  }

  /** Makes the call and throws `SystemError` when it fails. */
  must(command: number, size: number, what: string): number {
    const value = this.run(command, size);
    if (value < 0) throw new SystemError(what, -value);
    return value;
  }
}
