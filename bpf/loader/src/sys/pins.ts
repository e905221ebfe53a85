import { mkdirSync, rmSync, statfsSync } from "node:fs";
import { SystemError } from "../errors.ts";
import { BPF, ERRNO } from "./constants.ts";
import { type Host, kernelHost } from "./host.ts";

const BPF_FS_MAGIC = 0xcafe4a11;

/**
 * Makes sure `path` is a directory on a bpffs: creates it and mounts one there unless it is on one
 * already. True when it mounted (the caller then owes `unmountBpffs`).
 */
export function ensureBpffs(path: string, host: Host = kernelHost()): boolean {
  mkdirSync(path, { recursive: true });
  if (isBpffs(path)) return false;
  const result = host.syscalls.mount("bpf", path);
  if (result < 0) throw new SystemError(`mount a bpffs on ${path}`, -result);
  return true;
}

/** Undoes `ensureBpffs`; a path that is no mount is left alone. */
export function unmountBpffs(path: string, host: Host = kernelHost()): void {
  const result = host.syscalls.unmount(path);
  if (result < 0 && result !== -ERRNO.EINVAL && result !== -ERRNO.ENOENT) {
    throw new SystemError(`unmount ${path}`, -result);
  }
}

/** Is the directory on a bpffs? */
export function isBpffs(path: string): boolean {
  return (statfsSync(path).type & 0xffffffff) >>> 0 === BPF_FS_MAGIC;
}

/** Gives an object a name on a bpffs. */
export function pinObject(host: Host, fd: number, path: string): void {
  host.call.begin().text(0, path).u32(8, fd).must(BPF.objectPin, 16, `pin as ${path}`);
}

/** Removes a name; a missing one is not an error. */
export function unpinObject(path: string): void {
  rmSync(path, { force: true });
}

/** A new descriptor for a pinned object, or undefined when nothing has that name. */
export function openPin(host: Host, path: string): number | undefined {
  const fd = host.call.begin().text(0, path).run(BPF.objectGet, 16);
  if (fd >= 0) return fd;
  if (fd === -ERRNO.ENOENT) return undefined;
  throw new SystemError(`open the pin ${path}`, -fd);
}
