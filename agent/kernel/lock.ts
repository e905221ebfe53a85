/**
 * One agent for one pin directory, hence for one node: two would undo each other's work in the same maps and
 * namespaces. The kernel lets go of the lock when its process ends, however it ends.
 */

import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { assertOnBpffs } from "./bpffs.ts";
import { errnoName } from "./errno.ts";
import { lastErrno, libc } from "./ffi.ts";

const LOCK_EX_NB = 2 | 4;

/** Holds the pin directory until it is disposed of or the process ends. */
export class NodeLock implements Disposable {
  readonly #fd: number;

  /** Makes the directory when it is missing. Throws with what to do when another agent holds it, or it is on no bpffs. */
  constructor(pinDirectory: string) {
    assertOnBpffs(dirname(pinDirectory));
    mkdirSync(pinDirectory, { recursive: true });
    this.#fd = openSync(pinDirectory, "r");
    if (libc.flock(this.#fd, LOCK_EX_NB) === 0) return;
    const errno = errnoName(lastErrno());
    closeSync(this.#fd);
    throw new Error(errno === "EAGAIN" ? heldText(pinDirectory) : lockText(pinDirectory, errno));
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function heldText(directory: string): string {
  return (
    `another agent serves this node (it holds ${directory}), and two would undo each other's work. ` +
    "Its log and its DaemonSet say which it is; if it is being replaced it ends within its drain time, " +
    "otherwise remove one of the two"
  );
}

function lockText(directory: string, errno: string): string {
  return `could not lock ${directory}: ${errno}`;
}
