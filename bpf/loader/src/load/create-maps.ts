import type { MapDefinition } from "../api/objects.ts";
import type { LoadOptions } from "../api/options.ts";
import type { MapSpec } from "../api/spec.ts";
import type { ParsedMap } from "../core/parsed.ts";
import { MissingPinDirectory, SystemError } from "../errors.ts";
import { hasFeature } from "../kernel/features.ts";
import { possibleCpus } from "../maps/cpus.ts";
import { KernelMap, kernelMapOf } from "../maps/kernel-map.ts";
import { openPinnedKernelMap, requireSameDefinition } from "../maps/pinned-map.ts";
import { BPF, MAP_FLAG, MAP_TYPE } from "../sys/constants.ts";
import type { Host } from "../sys/host.ts";

/** Map types whose keys and values the kernel refuses to describe by BTF. */
const WITHOUT_TYPES: ReadonlySet<number> = new Set([
  MAP_TYPE.perfEventArray,
  MAP_TYPE.cgroupArray,
  MAP_TYPE.stackTrace,
  MAP_TYPE.arrayOfMaps,
  MAP_TYPE.hashOfMaps,
  MAP_TYPE.devMap,
  MAP_TYPE.devMapHash,
  MAP_TYPE.cpuMap,
  MAP_TYPE.xskMap,
  MAP_TYPE.sockMap,
  MAP_TYPE.sockHash,
  MAP_TYPE.queue,
  MAP_TYPE.stack,
  MAP_TYPE.arena,
]);

const PAGE = 4096;

/** What creating needs besides the spec. */
export interface MapMaking {
  readonly host: Host;
  readonly options: LoadOptions;
  readonly btfFd: number;
}

/** A map ready for use: given by the caller, adopted from its pin, or created (and pinned). */
export interface ReadyMap {
  readonly map: KernelMap;
  /** False when it existed before: its contents are not ours to initialise. */
  readonly isNew: boolean;
}

/** Finds or makes the map of a spec. Throws `PinMismatch`, `MissingPinDirectory`, `SystemError`. */
export function readyMap(making: MapMaking, spec: ParsedMap): ReadyMap {
  const given = making.options.maps?.[spec.name];
  const definition = definitionOf(making, spec);
  if (given !== undefined) {
    requireSameDefinition(spec.name, definition, given.definition);
    return { map: shareMap(making.host, kernelMapOf(given)), isNew: false };
  }
  if (!spec.pinByName) return { map: createMap(making, spec, definition), isNew: true };
  const directory = making.options.pinDirectory;
  if (directory === undefined) {
    throw new MissingPinDirectory(
      `map "${spec.name}" is pinned by name: give load() a pinDirectory`,
    );
  }
  const path = `${directory}/${spec.name}`;
  const adopted = openPinnedKernelMap(making.host, path, spec.name);
  if (adopted === undefined) return pinNew(making, spec, path);
  try {
    requireSameDefinition(spec.name, definition, adopted.definition);
  } catch (error) {
    adopted[Symbol.dispose]();
    throw error;
  }
  return { map: adopted, isNew: false };
}

function pinNew(making: MapMaking, spec: ParsedMap, path: string): ReadyMap {
  const map = createMap(making, spec, definitionOf(making, spec));
  try {
    map.pin(path);
  } catch (error) {
    map[Symbol.dispose]();
    throw error;
  }
  return { map, isNew: true };
}

/** The collection closes what it holds, so a map of the caller's is held by a descriptor of our own. */
function shareMap(host: Host, given: KernelMap): KernelMap {
  const GET_FD_BY_ID = 14;
  const { id } = given;
  const fd = host.call.begin().u32(0, id).must(GET_FD_BY_ID, 12, `open map "${given.name}"`);
  return new KernelMap(host, fd, given);
}

/** The definition to create: the spec's, with sizes that depend on the machine filled in. */
function definitionOf(making: MapMaking, spec: ParsedMap): MapDefinition {
  let { flags } = spec;
  if (spec.internal) {
    if (spec.mappable && hasFeature("mappable-arrays", making.host)) flags |= MAP_FLAG.mappable;
    if (spec.kind === "rodata" || spec.kind === "kconfig") flags |= MAP_FLAG.readOnlyForPrograms;
  }
  const wanted = making.options.maxEntries?.[spec.name] ?? spec.maxEntries;
  return {
    type: spec.type,
    keySize: spec.keySize,
    valueSize: spec.valueSize,
    maxEntries: entriesFor(spec.type, wanted),
    flags,
  };
}

/** Ring buffers are a power of two of pages; a perf array without size has a slot for each CPU. */
function entriesFor(type: number, wanted: number): number {
  if (type === MAP_TYPE.perfEventArray && wanted === 0) return possibleCpus();
  const isRing = type === MAP_TYPE.ringBuffer || type === MAP_TYPE.userRingBuffer;
  if (!isRing || wanted === 0) return wanted;
  let size = PAGE;
  while (size < wanted && size < 2 ** 31) size *= 2;
  return size;
}

function createMap(making: MapMaking, spec: ParsedMap, definition: MapDefinition): KernelMap {
  const innerFd = spec.inner === undefined ? 0 : createInner(making, spec, spec.inner);
  try {
    const fd = createOne(making, spec, { definition, innerFd });
    return new KernelMap(making.host, fd, { name: spec.name, definition });
  } finally {
    if (innerFd > 0) making.host.syscalls.close(innerFd);
  }
}

function createInner(making: MapMaking, outer: MapSpec, inner: MapSpec): number {
  const { type, keySize, valueSize, flags } = inner;
  const maxEntries = entriesFor(type, inner.maxEntries);
  const definition = { type, keySize, valueSize, maxEntries, flags };
  return createOne(making, { ...inner, name: `${outer.name}.inner` }, { definition, innerFd: 0 });
}

interface Creation {
  readonly definition: MapDefinition;
  readonly innerFd: number;
}

/** BPF_MAP_CREATE with types where the kernel takes them, else without. */
function createOne(making: MapMaking, spec: MapSpec, creation: Creation): number {
  const typed = making.btfFd >= 0 && !WITHOUT_TYPES.has(spec.type);
  let fd = typed ? callCreate(making, spec, creation, true) : -1;
  if (fd < 0) fd = callCreate(making, spec, creation, false);
  if (fd < 0)
    throw new SystemError(`create map "${spec.name}"`, -fd, creationHint(creation.definition));
  return fd;
}

function callCreate(making: MapMaking, spec: MapSpec, creation: Creation, typed: boolean): number {
  const { definition } = creation;
  const call = making.host.call
    .begin()
    .u32(0, definition.type)
    .u32(4, definition.keySize)
    .u32(8, definition.valueSize)
    .u32(12, definition.maxEntries)
    .u32(16, definition.flags)
    .u32(20, creation.innerFd)
    .u32(24, spec.numaNode)
    .name(28, spec.name)
    .u64(64, spec.extra);
  if (typed) call.u32(48, making.btfFd).u32(52, spec.keyTypeId).u32(56, spec.valueTypeId);
  return call.run(BPF.mapCreate, 72);
}

function creationHint(definition: MapDefinition): string {
  const { type, keySize, valueSize, maxEntries, flags } = definition;
  return `type ${type}, key ${keySize} bytes, value ${valueSize} bytes, ${maxEntries} entries, flags ${flags}`;
}
