/** The one public entry of ebpf-loader-wasm: everything a user may import, and nothing else. */
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
export { parse } from "./core/parse.ts";
export {
  InvalidObject,
  MissingAttachTarget,
  MissingKernelSymbol,
  MissingPinDirectory,
  PinMismatch,
  SystemError,
  TagMismatch,
  UnknownName,
  UnsupportedFeature,
  ValueOutOfRange,
  VerifierError,
} from "./errors.ts";
export { type Feature, featureSince, hasFeature } from "./kernel/features.ts";
export { forgetKernelTypes } from "./kernel/kernel-types.ts";
export { attachCgroup, attachNetns, attachSkMsg, attachSkSkb, attachTcx } from "./links/attach.ts";
export { openPinnedLink } from "./links/kernel-link.ts";
export {
  attachKprobe,
  attachTracepoint,
  attachTracing,
  type KprobeTarget,
} from "./links/tracing.ts";
export { openPinnedProgram } from "./load/kernel-program.ts";
export { load } from "./load/load.ts";
export { arrayMap } from "./maps/array-map.ts";
export { readBits, writeBits } from "./maps/bits.ts";
export {
  array,
  at,
  bool,
  bytes,
  type Field,
  f32,
  f64,
  i8,
  i16,
  i32,
  i64,
  type LpmKey,
  lpmKey,
  struct,
  u8,
  u16,
  u32,
  u64,
} from "./maps/codecs.ts";
export { possibleCpus } from "./maps/cpus.ts";
export { hashMap, lpmTrie, prefixMap } from "./maps/hash-map.ts";
export { perCpuArrayMap, perCpuHashMap } from "./maps/per-cpu-map.ts";
export { openPinnedMap } from "./maps/pinned-map.ts";
export { ringBuffer } from "./maps/ring-buffer.ts";
export { descriptorMap, queueMap, socketMap } from "./maps/socket-map.ts";
export { ensureBpffs, isBpffs, unmountBpffs } from "./sys/pins.ts";
