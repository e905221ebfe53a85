/** What one simulation has in the kernel, by ids that are not used again, so that what outlives it can be named. */

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { closeNetns, netnsCookie, openNetns } from "../../agent/kernel/netns.ts";
import { isAlive } from "./is-alive.ts";
import type { LabStatus } from "./mesh-lab.ts";

const BPFTOOL = "/usr/sbin/bpftool";

/** Ids by kind of object. */
export interface SimTraces {
  readonly name: string;
  readonly processes: ReadonlySet<number>;
  /** Cookies of network namespaces by inode number; the number may be another's once the namespace is gone. */
  readonly namespaces: ReadonlyMap<number, bigint>;
  readonly links: ReadonlySet<number>;
  readonly programs: ReadonlySet<number>;
  readonly maps: ReadonlySet<number>;
}

/** Everything that belongs to a running simulation. */
export function takeTraces(status: LabStatus, name: string): SimTraces {
  const supervisor = Number(
    readFileSync(join(status.directory, "supervisor.pid"), "utf8").split(" ")[0],
  );
  const processes = new Set([supervisor, ...processesIn(name)]);
  const namespaces = new Map(
    [...status.nodes, ...status.pods].map(({ netns }) => [statSync(netns).ino, cookieOf(netns)]),
  );
  const cgroups = new Set(foldersBelow(status.cgroup).map((path) => statSync(path).ino));
  const links = listed("link").filter(
    (link) => cgroups.has(link.cgroup_id ?? -1) || namespaces.has(link.netns_ino ?? -1),
  );
  return {
    name,
    processes,
    namespaces,
    links: new Set([...links.map(({ id }) => id), ...held(processes, "link_id")]),
    programs: new Set([...links.map(({ prog_id: id = -1 }) => id), ...held(processes, "prog_id")]),
    maps: held(processes, "map_id"),
  };
}

/** What of it is still there, as words; empty when all is gone. */
export function remains(traces: SimTraces): readonly string[] {
  const { name, processes, namespaces, links, programs, maps } = traces;
  const ours = new RegExp(`/nodemesh-sim/${name}(?:/|\\.|$| )`);
  return [
    ...[...processes].filter(isAlive).map((pid) => `process ${pid}`),
    ...processesIn(name).map((pid) => `process ${pid} in its cgroup`),
    ...namespacesInUse()
      .filter(
        ({ inode, path }) => namespaces.has(inode) && namespaces.get(inode) === cookieOf(path),
      )
      .map(({ path }) => `namespace ${path}`),
    ...readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => ours.test(line)),
    ...foldersBelow("/run/nodemesh-sim").filter((path) => ours.test(path)),
    ...cgroupFolders().filter((path) => ours.test(path)),
    ...listed("link")
      .filter(({ id }) => links.has(id))
      .map(({ id }) => `link ${id}`),
    ...listed("prog")
      .filter(({ id }) => programs.has(id))
      .map(({ id }) => `program ${id}`),
    ...listed("map")
      .filter(({ id }) => maps.has(id))
      .map(({ id }) => `map ${id}`),
  ];
}

interface BpfObject {
  readonly id: number;
  readonly prog_id?: number;
  readonly cgroup_id?: number;
  readonly netns_ino?: number;
}

function listed(kind: "link" | "prog" | "map"): readonly BpfObject[] {
  // Not through a pipe of its default size: a busy machine lists megabytes.
  const options = { encoding: "utf8", maxBuffer: 64 << 20 } as const;
  return JSON.parse(execFileSync(BPFTOOL, ["--json", kind, "list"], options)) as BpfObject[];
}

/** Ids that descriptors of the processes name in /proc/PID/fdinfo. */
function held(processes: ReadonlySet<number>, field: string): ReadonlySet<number> {
  const pattern = new RegExp(`^${field}:\\s+(\\d+)$`, "m");
  return new Set(
    [...processes].flatMap((pid) =>
      entries(`/proc/${pid}/fdinfo`).flatMap((fd) => {
        const id = pattern.exec(text(`/proc/${pid}/fdinfo/${fd}`))?.[1];
        return id === undefined ? [] : [Number(id)];
      }),
    ),
  );
}

/** Processes whose cgroup is the simulation's or below it; another machine's paths begin with `/..` here. */
function processesIn(name: string): readonly number[] {
  const pattern = new RegExp(`^0::/nodemesh-sim/${name}(?:/|$)`, "m");
  return pids().filter((pid) => pattern.test(text(`/proc/${pid}/cgroup`)));
}

/** Namespaces that a process lives in, holds by a descriptor, or that are mounted. */
function namespacesInUse(): readonly { readonly inode: number; readonly path: string }[] {
  const links = pids().flatMap((pid) => [
    `/proc/${pid}/ns/net`,
    ...entries(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`),
  ]);
  const found = links.map((path) => ({ path, target: linkTarget(path) }));
  const mounts = text("/proc/self/mountinfo")
    .split("\n")
    .map((line) => line.split(" "))
    .map(([, , , target = "", path = ""]) => ({ path, target }));
  return [...found, ...mounts].flatMap(({ path, target }) => {
    const inode = /^net:\[(\d+)\]$/.exec(target)?.[1];
    return inode === undefined ? [] : [{ inode: Number(inode), path }];
  });
}

/** The number of a namespace that no other ever gets; 0 when it is gone meanwhile. */
function cookieOf(path: string): bigint {
  let netns: number;
  try {
    netns = openNetns(path);
  } catch {
    return 0n;
  }
  try {
    return netnsCookie(netns);
  } finally {
    closeNetns(netns);
  }
}

function pids(): readonly number[] {
  return entries("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function cgroupFolders(): readonly string[] {
  const mount = text("/proc/self/mounts")
    .split("\n")
    .map((line) => line.split(" "))
    .find(([, , type]) => type === "cgroup2");
  return foldersBelow(join(mount?.[1] ?? "/nowhere", "nodemesh-sim"));
}

/** The folder and all below it; files of the first level too. */
function foldersBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  const inside = readdirSync(folder, { withFileTypes: true });
  const files = inside.filter((entry) => !entry.isDirectory() && dirname(folder) === "/run");
  return [
    folder,
    ...files.map((entry) => join(folder, entry.name)),
    ...inside
      .filter((entry) => entry.isDirectory())
      .flatMap((entry) => foldersBelow(join(folder, entry.name))),
  ];
}

/** Names in a folder; none when its process has ended. */
function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function linkTarget(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
