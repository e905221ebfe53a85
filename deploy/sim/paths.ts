/**
 * The simulator: ordinary Kubernetes manifests run on this machine, in network namespaces and a cgroup of
 * its own, with the real control plane, agents and eBPF programs. May import everything; nobody but tests,
 * benches and the demo imports it. Must never touch the machine's own network, cgroups or mounts.
 *
 * This file: where a simulation keeps everything. All of it carries one prefix, so that all of it can be
 * found and removed after a crash.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The prefix of everything the simulator makes. */
export const PREFIX = "nodemesh-sim";

/** Where one simulation keeps what. */
export interface SimPaths {
  readonly name: string;
  /** State directory; a mount of its own. */
  readonly root: string;
  /** Unix socket of the supervisor's API. */
  readonly api: string;
  /** The supervisor's process id. */
  readonly pidFile: string;
  /** The detached supervisor's log; outside of root, because a start empties root first. */
  readonly log: string;
  /** One file per object: control's world. */
  readonly objects: string;
  /** A bpf file system of its own, for pinned programs and maps. */
  readonly bpf: string;
  readonly cgroup: string;
}

/** A simulation's name: it becomes part of paths. */
export const NAME_PATTERN: RegExp = /^[a-z0-9][a-z0-9-]{0,30}$/;

/** The paths of the simulation of that name. Throws when no cgroup v2 is mounted. */
export function simPaths(name: string): SimPaths {
  const root = join("/run", PREFIX, name);
  return {
    name,
    root,
    api: join(root, "sim.sock"),
    pidFile: join(root, "supervisor.pid"),
    log: `${root}.log`,
    objects: join(root, "objects"),
    bpf: join(root, "bpf"),
    cgroup: join(cgroupRoot(), PREFIX, name),
  };
}

/** Where one node keeps what. */
export interface NodePaths {
  readonly root: string;
  /** The node's network namespace. */
  readonly netns: string;
  /** One network namespace per pod, by uid: what the agent reads. */
  readonly pods: string;
  readonly pins: string;
  readonly state: string;
  readonly agentAdmin: string;
  readonly agentLog: string;
  readonly cgroup: string;
}

/** The paths of one node. */
export function nodePaths(sim: SimPaths, node: string): NodePaths {
  const root = join(sim.root, "nodes", node);
  return {
    root,
    netns: join(root, "netns"),
    pods: join(root, "pods"),
    pins: join(sim.bpf, node),
    state: join(root, "state"),
    agentAdmin: join(root, "agent.sock"),
    agentLog: join(root, "agent.log"),
    cgroup: join(sim.cgroup, node),
  };
}

/** Where cgroup v2 is mounted, also beside v1 hierarchies. Throws with a next step when it is nowhere. */
export function cgroupRoot(): string {
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const found = mounts.map((line) => line.split(" ")).find((fields) => fields[2] === "cgroup2");
  const path = found?.[1];
  if (path === undefined || !existsSync(path))
    throw new Error(
      "no cgroup v2 is mounted: the simulator needs one (mount -t cgroup2 none /sys/fs/cgroup/unified)",
    );
  return path;
}
