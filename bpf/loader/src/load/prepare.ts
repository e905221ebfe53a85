import type { LoadOptions } from "../api/options.ts";
import type { ParsedMap, ParsedObject } from "../core/parsed.ts";
import type { VariableTable } from "../core/variables.ts";
import { SystemError } from "../errors.ts";
import type { KernelMap } from "../maps/kernel-map.ts";
import { BPF, MAP_TYPE } from "../sys/constants.ts";
import type { Host } from "../sys/host.ts";
import { type MapMaking, readyMap } from "./create-maps.ts";
import { loadObjectTypes } from "./object-types.ts";
import { resolveExterns } from "./resolve-externs.ts";
import type { Session } from "./session.ts";

/** Everything before programs: types, externs, maps with their contents. `stack` closes what was opened if a later stage fails. */
export function prepare(
  host: Host,
  object: ParsedObject,
  options: LoadOptions,
  stack: DisposableStack,
): Session {
  const variables = object.variables.copy();
  for (const [name, value] of Object.entries(options.variables ?? {})) variables.set(name, value);
  const kconfig = variables.section(".kconfig");
  const externs = resolveExterns(object, kconfig);
  const btfFd = loadObjectTypes(host, object.btf);
  if (btfFd >= 0) stack.defer(() => host.syscalls.close(btfFd));
  const making: MapMaking = { host, options, btfFd };
  const maps = object.mapList.map((spec) => {
    const ready = readyMap(making, spec);
    stack.use(ready.map);
    if (ready.isNew && spec.internal) fillSection(ready.map, spec, variables);
    if (spec.type === MAP_TYPE.arena) mapArena(host, ready.map, { at: Number(spec.extra), stack });
    return ready.map;
  });
  return { host, object, options, variables, btfFd, maps, externs };
}

/** First contents of a data section; what programs may only read is frozen, so that the verifier knows its values. */
function fillSection(map: KernelMap, spec: ParsedMap, variables: VariableTable): void {
  const isZero = spec.kind === "bss";
  const bytes = variables.section(spec.name);
  if (bytes !== undefined && !(isZero && bytes.every((byte) => byte === 0))) {
    map.key.setUint32(0, 0, true);
    new Uint8Array(map.value.buffer, map.value.byteOffset, bytes.length).set(bytes);
    map.update();
  }
  if (spec.kind === "rodata" || spec.kind === "kconfig") map.freeze();
}

/** The verifier wants to know where an arena lies in user space; it stays there while the load lasts. */
function mapArena(host: Host, map: KernelMap, place: { at: number; stack: DisposableStack }): void {
  const PAGE = 4096;
  const length = map.definition.maxEntries * PAGE;
  const request = { fd: map.fd, length, offset: 0, writable: true, address: place.at };
  const address = host.syscalls.mmap(request);
  if (address < 0) throw new SystemError(`mmap arena "${map.name}"`, -address);
  place.stack.defer(() => host.syscalls.munmap(address, length));
}

/** Puts maps into maps of maps as the object initialises them. Programs go in after they are loaded. */
export function fillMapSlots(session: Session): void {
  eachSlot(session, (map, index, target) => {
    const inner = session.maps[session.object.mapList.findIndex((one) => one.name === target)];
    if (inner !== undefined) setDescriptor(session.host, map, { index, fd: inner.fd });
  });
}

/** Puts programs into prog arrays as the object initialises them. */
export function fillProgramSlots(
  session: Session,
  programs: ReadonlyMap<string, { readonly fd: number }>,
): void {
  eachSlot(session, (map, index, target) => {
    const program = programs.get(target);
    if (program !== undefined) setDescriptor(session.host, map, { index, fd: program.fd });
  });
}

function eachSlot(
  session: Session,
  visit: (map: KernelMap, index: number, target: string) => void,
): void {
  for (const [i, spec] of session.object.mapList.entries()) {
    const map = session.maps[i];
    if (map === undefined) continue;
    for (const slot of spec.slots) visit(map, slot.index, slot.target);
  }
}

function setDescriptor(host: Host, map: KernelMap, slot: { index: number; fd: number }): void {
  const call = host.call.begin();
  const key = call.room(Math.max(4, map.definition.keySize));
  key.view.setUint32(0, slot.index, true);
  const value = call.room(4);
  value.view.setInt32(0, slot.fd, true);
  call.u32(0, map.fd).u64(8, key.address).u64(16, value.address);
  call.must(BPF.mapUpdate, 32, `fill slot ${slot.index} of map "${map.name}"`);
}
