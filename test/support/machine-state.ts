/**
 * What a test run can leave behind on a machine, listed before and after: network namespaces, mounts, links, BPF
 * pins and links, cgroups of every hierarchy, settings and processes.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { MASKED_SETTINGS } from "../cluster/node/files.ts";
import { STATE_ROOT } from "../cluster/spec.ts";

/** Name of the environment variable that marks a run's processes, so that their children are known as theirs. */
export const RUN_MARK = "NODEMESH_TEST_RUN";

/** Everything seen, as words a person can look up; equal words are the same thing. */
export type MachineState = ReadonlySet<string>;

/**
 * Lists namespaces, a cluster's mounts and settings, links, pins, BPF links and cgroups of this machine, and processes
 * that carry `mark`.
 */
export function machineState(mark: string): MachineState {
  return new Set([
    ...mountWords(mounts()),
    ...MASKED_SETTINGS.map(settingWord),
    ...readdirSync("/sys/class/net").map((name) => `link ${name}`),
    ...mounts()
      .filter(({ type }) => type === "bpf")
      .flatMap(({ point }) => tree(point, "files").map((path) => `pin ${path}`)),
    ...mounts()
      .filter(({ type }) => type === "cgroup" || type === "cgroup2")
      .flatMap(({ point }) => tree(point, "folders").map((path) => `cgroup ${path}`))
      .filter((word) => !/\.(?:slice|scope|service)(?:\/|$)/.test(word)),
    ...bpfLinks(),
    ...markedProcesses(mark),
  ]);
}

/**
 * What is there now and was not in `before`; waits up to `deadlineMs` (default 5,000) for it to go, since the
 * kernel frees namespaces and BPF links after a grace period.
 */
export async function leakedSince(
  before: MachineState,
  mark: string,
  deadlineMs = 5_000,
): Promise<readonly string[]> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const left = [...machineState(mark)].filter((word) => !before.has(word));
    if (left.length === 0 || performance.now() > deadline) return left;
    await sleep(100);
  }
}

/** A mount of this process's mount namespace. */
export interface Mount {
  readonly point: string;
  readonly type: string;
}

/** The mounts that tests make: network namespaces, and whatever a cluster has below its folder. */
export function mountWords(all: readonly Mount[]): readonly string[] {
  return all.flatMap(({ point, type }) => {
    if (type === "nsfs") return [`namespace ${point}`];
    return point.startsWith(`${STATE_ROOT}/`) ? [`mount ${point}`] : [];
  });
}

/** A machine-wide setting with its value: another value is another word, and so a change is seen. */
function settingWord(setting: string): string {
  return `setting ${setting} = ${readText(`/proc/sys/${setting}`).trim()}`;
}

function mounts(): readonly Mount[] {
  return mountsIn(readFileSync("/proc/self/mountinfo", "utf8"));
}

/** Mounts by a mountinfo (man 5 proc): the mount point is the fifth word, the type follows the dash. */
export function mountsIn(mountinfo: string): readonly Mount[] {
  return mountinfo.split("\n").flatMap((line) => {
    const words = line.split(" ");
    const [point, type] = [words[4], words[words.indexOf("-") + 1]];
    return point === undefined || type === undefined ? [] : [{ point, type }];
  });
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

function bpfLinks(): readonly string[] {
  if (!existsSync("/usr/sbin/bpftool")) return [];
  const listed: unknown = JSON.parse(
    execFileSync("/usr/sbin/bpftool", ["--json", "link", "list"], { encoding: "utf8" }),
  );
  if (!Array.isArray(listed)) return [];
  return listed.map((link: { id: number; type: string }) => `BPF link ${link.id} (${link.type})`);
}

function markedProcesses(mark: string): readonly string[] {
  const wanted = `${RUN_MARK}=${mark}`;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter((pid) => readText(`/proc/${pid}/environ`).split("\0").includes(wanted))
    .map((pid) => `process ${pid} (${readText(`/proc/${pid}/comm`).trim()})`);
}

/** A file's text, or nothing when the process it belongs to has ended. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
