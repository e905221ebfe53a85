import type { MapDefinition, MapHandle } from "../api/objects.ts";
import { SystemError } from "../errors.ts";
import { allocateNative, freeNative, type NativeBlock } from "../sys/bpf-call.ts";
import { BPF, ERRNO, MAP_TYPE } from "../sys/constants.ts";
import { Descriptor } from "../sys/descriptor.ts";
import type { Host } from "../sys/host.ts";
import { objectInfo } from "../sys/object-info.ts";
import { pinObject, unpinObject } from "../sys/pins.ts";
import { possibleCpus } from "./cpus.ts";

/**
 * Maps in user space: one class that owns the descriptor and moves bytes, and typed views over it
 * (hash-map.ts, array-map.ts…), which hold no resources of their own.
 */
const ATTR_AT = 0;
const KEY_AT = 64;
/** How much of the attribute a command may fill: the kernel refuses what it does not expect. */
const ATTR_BYTES: Readonly<Record<number, number>> = {
  [BPF.mapLookup]: 32,
  [BPF.mapUpdate]: 32,
  [BPF.mapDelete]: 16,
  [BPF.mapNextKey]: 24,
  [BPF.mapLookupAndDelete]: 32,
};

const PER_CPU: ReadonlySet<number> = new Set([
  MAP_TYPE.perCpuHash,
  MAP_TYPE.perCpuArray,
  MAP_TYPE.lruPerCpuHash,
  MAP_TYPE.perCpuCgroupStorage,
]);

/**
 * An open map. `key` and `value` are native memory: write a key there, call `lookup`, read the
 * value there. That costs one system call and no allocation.
 */
export class KernelMap implements MapHandle {
  readonly name: string;
  readonly definition: MapDefinition;
  readonly host: Host;
  /** True when each key has one value for every possible CPU, each padded to 8 bytes. */
  readonly isPerCpu: boolean;
  /** Bytes of `value`: of all CPUs together for per-CPU maps. */
  readonly transferSize: number;
  readonly #descriptor: Descriptor;
  #block: NativeBlock | undefined;
  #key: DataView | undefined;
  #value: DataView | undefined;

  constructor(host: Host, fd: number, identity: { name: string; definition: MapDefinition }) {
    this.host = host;
    this.name = identity.name;
    this.definition = identity.definition;
    this.isPerCpu = PER_CPU.has(identity.definition.type);
    const { valueSize } = identity.definition;
    this.transferSize = this.isPerCpu ? possibleCpus() * roundUp(valueSize) : valueSize;
    this.#descriptor = new Descriptor(host, fd);
  }

  get fd(): number {
    return this.#descriptor.fd;
  }

  get id(): number {
    return objectInfo(this.host, this.fd, 8).view.getUint32(4, true);
  }

  get key(): DataView {
    this.#prepare();
    return this.#key as DataView;
  }

  get value(): DataView {
    this.#prepare();
    return this.#value as DataView;
  }

  /** Reads the value of `key` into `value`; false when there is none. */
  lookup(): boolean {
    return this.#found(this.#element(BPF.mapLookup, 0), "read");
  }

  /** Reads and removes. */
  take(): boolean {
    return this.#found(this.#element(BPF.mapLookupAndDelete, 0), "take from");
  }

  /** Writes `value` under `key`; the raw result (0 or -errno) for the caller to judge. */
  tryUpdate(mode: number): number {
    return this.#element(BPF.mapUpdate, mode);
  }

  /** Writes or throws. */
  update(mode = 0): void {
    const result = this.tryUpdate(mode);
    if (result < 0) throw this.error("write to", -result);
  }

  /** Removes `key`; false when it was not there. */
  remove(): boolean {
    return this.#found(this.#element(BPF.mapDelete, 0), "delete from");
  }

  /** Puts into `value`'s place the key after `key` (the first key without `from`); false at the end. */
  nextKey(from: boolean): boolean {
    const block = this.#prepare();
    const view = block.view;
    view.setBigUint64(ATTR_AT + 8, from ? BigInt(block.address + KEY_AT) : 0n, true);
    const result = this.#run(BPF.mapNextKey);
    view.setBigUint64(ATTR_AT + 8, BigInt(block.address + KEY_AT), true);
    return this.#found(result, "walk");
  }

  pin(path: string): void {
    pinObject(this.host, this.fd, path);
  }

  unpin(path: string): void {
    unpinObject(path);
  }

  freeze(): void {
    this.host.call.begin().u32(0, this.fd).must(BPF.mapFreeze, 4, `freeze map "${this.name}"`);
  }

  /** A `SystemError` that names the map. */
  error(verb: string, errno: number): SystemError {
    const hint =
      errno === ERRNO.E2BIG ? `it holds at most ${this.definition.maxEntries} entries` : "";
    return new SystemError(`${verb} map "${this.name}"`, errno, hint);
  }

  [Symbol.dispose](): void {
    if (this.#block !== undefined) freeNative(this.host.syscalls, this.#block);
    this.#block = undefined;
    this.#key = undefined;
    this.#value = undefined;
    this.#descriptor[Symbol.dispose]();
  }

  #element(command: number, flags: number): number {
    const block = this.#prepare();
    block.view.setUint32(ATTR_AT + 24, flags, true);
    return this.#run(command);
  }

  #run(command: number): number {
    const block = this.#prepare();
    const size = ATTR_BYTES[command] ?? 32;
    let result: number;
    do {
      result = this.host.syscalls.bpf(command, block.address + ATTR_AT, size);
    } while (result === -ERRNO.EINTR);
    return result;
  }

  #found(result: number, verb: string): boolean {
    if (result >= 0) return true;
    if (result === -ERRNO.ENOENT) return false;
    throw this.error(verb, -result);
  }

  /** Attribute, key and value in native memory, made on first use. Throws when the map is closed. */
  #prepare(): NativeBlock {
    if (this.#block !== undefined) return this.#block;
    const fd = this.fd;
    const keySize = Math.max(this.definition.keySize, 4);
    const valueAt = KEY_AT + roundUp(keySize);
    // The next key is written to the value's place, so there must be room for one.
    const room = Math.max(this.transferSize, keySize);
    const block = allocateNative(this.host.syscalls, valueAt + room);
    block.view.setUint32(ATTR_AT, fd, true);
    // Queues have no key, and the kernel wants no pointer to one.
    const keyAddress = this.definition.keySize === 0 ? 0 : block.address + KEY_AT;
    block.view.setBigUint64(ATTR_AT + 8, BigInt(keyAddress), true);
    block.view.setBigUint64(ATTR_AT + 16, BigInt(block.address + valueAt), true);
    this.#key = new DataView(block.view.buffer, KEY_AT, keySize);
    this.#value = new DataView(block.view.buffer, valueAt, room);
    this.#block = block;
    return block;
  }
}

/** The map behind a handle; throws when the handle is somebody else's. */
export function kernelMapOf(handle: MapHandle): KernelMap {
  if (handle instanceof KernelMap) return handle;
  throw new TypeError("this map was not opened by ebpf-loader-wasm");
}

/** Values of per-CPU maps lie 8 bytes apart at least. */
export function roundUp(size: number): number {
  return Math.ceil(size / 8) * 8;
}
