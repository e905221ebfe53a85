/**
 * What a machine of a test's own (own-machine.ts) holds: processes, cgroups, mounts, links, files. Nothing is looked
 * for elsewhere, so nobody else's doings are seen. A BPF link or program lives by a pin or by a process, a network
 * namespace by a mount or by a process: each of them is seen by what keeps it alive.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { processesOf } from "../../deploy/sim/cgroups.ts";

/** Everything seen, as words a person can look up; equal words are the same thing. */
export type MachineState = ReadonlySet<string>;

/** By what a machine is looked into from outside. */
export interface MachineView {
  /** A process in its namespaces. */
  readonly pid: number;
  /** Its cgroup in every hierarchy, as absolute paths here. */
  readonly cgroups: readonly string[];
}

/** Lists the processes, cgroups, mounts, links, pins and files in /run of the machine. */
export function machineState({ pid, cgroups }: MachineView): MachineState {
  const mounts = mountsIn(readText(`/proc/${pid}/mountinfo`));
  const root = `/proc/${pid}/root`;
  const pins = mounts
    .filter(({ type }) => type === "bpf")
    .flatMap(({ point }) => tree(`${root}${point}`, "files"));
  return new Set([
    ...processesOf(cgroups.at(-1) ?? "").map(
      (one) => `process ${one} (${readText(`/proc/${one}/comm`).trim()})`,
    ),
    ...cgroups.flatMap((path) => tree(path, "folders")).map((path) => `cgroup ${path}`),
    ...mounts.map(({ point, type }) =>
      type === "nsfs" ? `namespace ${point}` : `mount ${point} (${type})`,
    ),
    ...linksIn(readText(`/proc/${pid}/net/dev`)).map((name) => `link ${name}`),
    ...pins.map((path) => `pin ${path.slice(root.length)}`),
    ...tree(`${root}/run`, "files").map((path) => `file ${path.slice(root.length)}`),
  ]);
}

/**
 * What `look` sees and is not in `before`; waits up to `deadlineMs` (default 5,000) for it to go, since the
 * kernel frees namespaces and links after a grace period.
 */
export async function leftIn(
  before: MachineState,
  look: () => MachineState,
  deadlineMs = 5_000,
): Promise<readonly string[]> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const left = [...look()].filter((word) => !before.has(word));
    if (left.length === 0 || performance.now() > deadline) return left;
    await sleep(20);
  }
}

/** A mount of a mount namespace. */
export interface Mount {
  readonly point: string;
  readonly type: string;
}

/** Mounts by a mountinfo (man 5 proc): the mount point is the fifth word, the type follows the dash. */
export function mountsIn(mountinfo: string): readonly Mount[] {
  return mountinfo.split("\n").flatMap((line) => {
    const words = line.split(" ");
    const [point, type] = [words[4], words[words.indexOf("-") + 1]];
    return point === undefined || type === undefined ? [] : [{ point, type }];
  });
}

/** The names of links by the text of /proc/PID/net/dev: two lines of headings, then `name: numbers`. */
export function linksIn(text: string): readonly string[] {
  return [...text.matchAll(/^\s*([^\s:|]+):\s/gm)].map(([, name = ""]) => name);
}

function tree(folder: string, kind: "files" | "folders"): readonly string[] {
  return readEntries(folder).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (!entry.isDirectory()) return kind === "files" ? [path] : [];
    return kind === "folders" ? [path, ...tree(path, kind)] : tree(path, kind);
  });
}

/** The entries of a folder; none when it was removed meanwhile. */
function readEntries(folder: string): ReturnType<typeof entriesOf> {
  try {
    return entriesOf(folder);
  } catch {
    return [];
  }
}

function entriesOf(folder: string) {
  return readdirSync(folder, { withFileTypes: true });
}

/** A file's text, or nothing when the process it belongs to has ended. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
