import type { MapDefinition, MapHandle } from "../api/objects.ts";
import { PinMismatch } from "../errors.ts";
import { MAP_TYPE } from "../sys/constants.ts";
import { type Host, kernelHost } from "../sys/host.ts";
import { objectInfo } from "../sys/object-info.ts";
import { openPin } from "../sys/pins.ts";
import { KernelMap } from "./kernel-map.ts";

/** Flags that the kernel adds by itself to some types of map; they tell nothing about the definition. */
const READ_ONLY_FOR_PROGRAMS = 1 << 7;

/**
 * Opens a map by its pin; undefined when nothing is pinned there. With `definition` it must be
 * defined so, or `PinMismatch` is thrown.
 */
export function openPinnedMap(path: string, definition?: MapDefinition): MapHandle | undefined {
  const map = openPinnedKernelMap(kernelHost(), path);
  if (map === undefined || definition === undefined) return map;
  try {
    requireSameDefinition(path, definition, map.definition);
  } catch (error) {
    map[Symbol.dispose]();
    throw error;
  }
  return map;
}

/** The same for the loader: `name` is what the object calls it. */
export function openPinnedKernelMap(
  host: Host,
  path: string,
  name?: string,
): KernelMap | undefined {
  const fd = openPin(host, path);
  if (fd === undefined) return undefined;
  try {
    const { view, bytes } = objectInfo(host, fd, 80);
    const definition = {
      type: view.getUint32(0, true),
      keySize: view.getUint32(8, true),
      valueSize: view.getUint32(12, true),
      maxEntries: view.getUint32(16, true),
      flags: view.getUint32(20, true),
    };
    const kernelName =
      Buffer.from(bytes.subarray(24, 40)).toString("latin1").split("\0", 1)[0] ?? "";
    return new KernelMap(host, fd, { name: name ?? kernelName, definition });
  } catch (error) {
    host.syscalls.close(fd);
    throw error;
  }
}

/** Throws `PinMismatch` naming every difference. */
export function requireSameDefinition(
  name: string,
  wanted: MapDefinition,
  found: MapDefinition,
): void {
  const differences = (Object.keys(wanted) as (keyof MapDefinition)[])
    .filter((field) => comparable(field, wanted) !== comparable(field, found))
    .map((field) => `${field} is ${found[field]}, not ${wanted[field]}`);
  if (differences.length > 0) {
    throw new PinMismatch(
      `map "${name}" exists but is defined otherwise: ${differences.join(", ")}`,
    );
  }
}

function comparable(field: keyof MapDefinition, definition: MapDefinition): number {
  const isDevice = definition.type === MAP_TYPE.devMap || definition.type === MAP_TYPE.devMapHash;
  if (field === "flags" && isDevice) return definition.flags & ~READ_ONLY_FOR_PROGRAMS;
  return definition[field];
}
