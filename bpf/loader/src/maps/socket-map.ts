import type { Codec } from "../api/codec.ts";
import type { DescriptorMap, QueueMap, SocketMap } from "../api/maps.ts";
import type { MapHandle } from "../api/objects.ts";
import { ERRNO, MAP_TYPE, UPDATE } from "../sys/constants.ts";
import { expectMap } from "./check-codec.ts";
import type { KernelMap } from "./kernel-map.ts";

/** A view of a sockmap (use the codec `u32`) or sockhash. Its values have 4 bytes, or 8 to read cookies. */
export function socketMap<K>(map: MapHandle, key: Codec<K>): SocketMap<K> {
  const types = [MAP_TYPE.sockMap, MAP_TYPE.sockHash];
  return new TypedSockets(expectMap(map, { kind: "sockmap or sockhash", types, key }), key);
}

/** A view of a prog array, map of maps or cgroup array. */
export function descriptorMap<K>(map: MapHandle, key: Codec<K>): DescriptorMap<K> {
  const { progArray, arrayOfMaps, hashOfMaps, cgroupArray } = MAP_TYPE;
  const types = [progArray, arrayOfMaps, hashOfMaps, cgroupArray];
  return new TypedDescriptors(expectMap(map, { kind: "map of descriptors", types, key }), key);
}

/** A view of a queue or stack. */
export function queueMap<V>(map: MapHandle, value: Codec<V>): QueueMap<V> {
  const types = [MAP_TYPE.queue, MAP_TYPE.stack];
  return new TypedQueue(expectMap(map, { kind: "queue or stack", types, value }), value);
}

class TypedSockets<K> implements SocketMap<K> {
  readonly map: KernelMap;
  readonly #key: Codec<K>;

  constructor(map: KernelMap, key: Codec<K>) {
    this.map = map;
    this.#key = key;
  }

  set(key: K, socketFd: number): void {
    this.#key.encode(key, this.map.key, 0);
    const { value } = this.map;
    if (this.map.definition.valueSize === 8) value.setBigUint64(0, BigInt(socketFd), true);
    else value.setUint32(0, socketFd, true);
    this.map.update();
  }

  delete(key: K): boolean {
    this.#key.encode(key, this.map.key, 0);
    return deleteSlot(this.map);
  }

  cookie(key: K): bigint | undefined {
    this.#key.encode(key, this.map.key, 0);
    return this.map.lookup() ? this.map.value.getBigUint64(0, true) : undefined;
  }
}

/** An empty slot of a sockmap answers EINVAL where a hash answers ENOENT. */
function deleteSlot(map: KernelMap): boolean {
  try {
    return map.remove();
  } catch (error) {
    const isEmpty = error instanceof Error && "errno" in error && error.errno === ERRNO.EINVAL;
    if (isEmpty) return false;
    throw error;
  }
}

class TypedDescriptors<K> implements DescriptorMap<K> {
  readonly map: KernelMap;
  readonly #key: Codec<K>;

  constructor(map: KernelMap, key: Codec<K>) {
    this.map = map;
    this.#key = key;
  }

  set(key: K, object: { readonly fd: number }): void {
    this.#key.encode(key, this.map.key, 0);
    this.map.value.setInt32(0, object.fd, true);
    this.map.update();
  }

  delete(key: K): boolean {
    this.#key.encode(key, this.map.key, 0);
    return this.map.remove();
  }

  id(key: K): number | undefined {
    this.#key.encode(key, this.map.key, 0);
    return this.map.lookup() ? this.map.value.getUint32(0, true) : undefined;
  }
}

class TypedQueue<V> implements QueueMap<V> {
  readonly map: KernelMap;
  readonly #value: Codec<V>;

  constructor(map: KernelMap, value: Codec<V>) {
    this.map = map;
    this.#value = value;
  }

  push(value: V, replace = false): boolean {
    this.#value.encode(value, this.map.value, 0);
    const BPF_EXIST = 2;
    const result = this.map.tryUpdate(replace ? BPF_EXIST : UPDATE.any);
    if (result === -ERRNO.E2BIG) return false;
    if (result < 0) throw this.map.error("push to", -result);
    return true;
  }

  pop(): V | undefined {
    return this.map.take() ? this.#value.decode(this.map.value, 0) : undefined;
  }

  peek(): V | undefined {
    return this.map.lookup() ? this.#value.decode(this.map.value, 0) : undefined;
  }
}
