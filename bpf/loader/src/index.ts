/**
 * The one public entry of ebpf-loader-wasm. Functions to come under these names (the types are final):
 *
 *   parse(bytes: Uint8Array): CollectionSpec                      load(spec, options?: LoadOptions): Collection
 *   ensureBpffs(path): void (mounts a bpffs there unless it is one)
 *   attachCgroup(program, { cgroup }): Link                       attachNetns(program, netnsFd): Link (sk_lookup)
 *   attachSkMsg(program, map): Link   attachSkSkb(program, map): Link
 *   openPinnedLink(path, { tag? }?): Link | undefined (undefined: no such pin)
 *   openPinnedMap(path, definition?): MapHandle | undefined       openPinnedProgram(path, tag?): Program | undefined
 *   hashMap(map, key, value) arrayMap(map, value) perCpuHashMap perCpuArrayMap lpmTrie(map, dataBytes, value)
 *   socketMap(map, key) queueMap(map, value) descriptorMap(map, key) ringBuffer(map, value)
 *   codecs: u8 u16 u32 u64 i8 i16 i32 i64 (64 bit as bigint), bool, bytes(n), array(codec, n), struct({ field: at(offset, codec) }, size)
 */
export type { Codec } from "./api/codec.ts";
export type { CgroupTarget, PinnedLinkExpectation } from "./api/links.ts";
export type {
  ArrayMap,
  DescriptorMap,
  HashMap,
  MappedArray,
  PerCpuArrayMap,
  PerCpuHashMap,
  QueueMap,
  RingBuffer,
  SetMode,
  SocketMap,
} from "./api/maps.ts";
export type { Collection, Link, MapDefinition, MapHandle, Program } from "./api/objects.ts";
export type { LoadOptions } from "./api/options.ts";
export type {
  CollectionSpec,
  MapSlot,
  MapSpec,
  ProgramSpec,
  VariableSpec,
  Variables,
  VariableValue,
} from "./api/spec.ts";
