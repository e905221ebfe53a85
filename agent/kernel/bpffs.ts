/**
 * The BPF file system that pins live on. The agent never mounts one: seen from a container the mount would be the
 * container's own and go with it, and with it mesh/fail=closed, adoption by the next agent and the lock of the node.
 */

import { isBpffs } from "ebpf-loader-wasm";

/** Whether a directory is there and on a BPF file system. */
export function isOnBpffs(directory: string): boolean {
  try {
    return isBpffs(directory);
  } catch {
    return false;
  }
}

/** Throws with what to do when the directory is missing or not on a BPF file system. */
export function assertOnBpffs(directory: string): void {
  if (isOnBpffs(directory)) return;
  throw new Error(
    `${directory} is not on a BPF file system, and what the agent leaves there for the next one would be lost ` +
      `with its container. On the node run: systemctl start sys-fs-bpf.mount, or: mount -t bpf bpf ${directory} ` +
      "(and see that it is mounted at boot)",
  );
}
