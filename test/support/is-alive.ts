/** Whether processes that a test has ended are really gone. */

import { readdirSync, readFileSync } from "node:fs";

/**
 * Whether a process is alive. One that has ended but was not waited for (a zombie, proc(5)) is not; one whose first
 * thread has ended is, as long as another thread lives: until then its sockets are open and its ports are taken.
 */
export function isAlive(pid: number): boolean {
  return threadsOf(pid).some((thread) => {
    const stat = textOf(`/proc/${pid}/task/${thread}/stat`);
    const state = stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
    return state !== "" && state !== "Z" && state !== "X";
  });
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // it is gone
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it has gone meanwhile
  }
}
