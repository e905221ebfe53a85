/** Numbers of the kernel's interface (include/uapi/linux/bpf.h, bpf(2)). */

/** Commands of bpf(2). */
export const BPF = {
  mapCreate: 0,
  mapLookup: 1,
  mapUpdate: 2,
  mapDelete: 3,
  mapNextKey: 4,
  progLoad: 5,
  objectPin: 6,
  objectGet: 7,
  progAttach: 8,
  progDetach: 9,
  objectInfo: 15,
  rawTracepointOpen: 17,
  btfLoad: 18,
  mapLookupAndDelete: 21,
  mapFreeze: 22,
  mapLookupBatch: 24,
  mapUpdateBatch: 26,
  mapDeleteBatch: 27,
  linkCreate: 28,
  linkUpdate: 29,
  linkDetach: 34,
} as const;

/** `bpf_map_type`. */
export const MAP_TYPE = {
  hash: 1,
  array: 2,
  progArray: 3,
  perfEventArray: 4,
  perCpuHash: 5,
  perCpuArray: 6,
  stackTrace: 7,
  cgroupArray: 8,
  lruHash: 9,
  lruPerCpuHash: 10,
  lpmTrie: 11,
  arrayOfMaps: 12,
  hashOfMaps: 13,
  devMap: 14,
  sockMap: 15,
  cpuMap: 16,
  xskMap: 17,
  sockHash: 18,
  cgroupStorage: 19,
  perCpuCgroupStorage: 21,
  queue: 22,
  stack: 23,
  devMapHash: 25,
  structOps: 26,
  ringBuffer: 27,
  userRingBuffer: 31,
  arena: 33,
} as const;

/** Flags of `BPF_MAP_CREATE`. */
export const MAP_FLAG = {
  readOnlyForPrograms: 0x80,
  mappable: 0x400,
  link: 0x2000,
} as const;

/** Modes of `BPF_MAP_UPDATE_ELEM`. */
export const UPDATE = { any: 0, create: 1, update: 2 } as const;

/** errno values this package reasons about. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  E2BIG: 7,
  EAGAIN: 11,
  ENOMEM: 12,
  EBUSY: 16,
  EEXIST: 17,
  EINVAL: 22,
  ENOSPC: 28,
} as const;
