/** Cgroups of a made-up node: pods' directories as the two drivers of kubelet name them, with real processes in them. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readlinkSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { until } from "./until.ts";

/** The driver of kubelet. */
export type Driver = "cgroupfs" | "systemd";

/** A process that stands for a sandbox. */
export interface Sandbox {
  readonly process: ChildProcess;
  readonly pid: number;
  /** Kills it and waits until it is gone. */
  end(): Promise<void>;
}

/** Moves itself into $0, then becomes the rest of its words. */
const MOVE = 'echo $$ > "$0/cgroup.procs" && exec "$@"';

let made = 0;

/** The hierarchy of that version; undefined: this machine has none. */
export function hierarchy(version: 1 | 2): string | undefined {
  const candidates =
    version === 1
      ? ["/sys/fs/cgroup/pids", "/sys/fs/cgroup/systemd"]
      : ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
  return candidates.find(
    (path) =>
      existsSync(join(path, "cgroup.procs")) &&
      existsSync(join(path, "cgroup.controllers")) === (version === 2),
  );
}

/** See the file's head. Disposing kills the processes and removes the directories. */
export class NodeCgroups implements AsyncDisposable {
  readonly root: string;
  readonly #driver: Driver;
  readonly #sandboxes = new Set<Sandbox>();

  constructor(hierarchyRoot: string, driver: Driver) {
    this.root = join(hierarchyRoot, `nodemesh-node-${process.pid}-${made++}`);
    this.#driver = driver;
    mkdirSync(this.#holder, { recursive: true });
  }

  get #holder(): string {
    return this.#driver === "cgroupfs"
      ? join(this.root, "kubepods/burstable")
      : join(this.root, "kubepods.slice/kubepods-burstable.slice");
  }

  /** The pod's directory. */
  podDirectory(uid: string): string {
    return this.#driver === "cgroupfs"
      ? join(this.#holder, `pod${uid}`)
      : join(this.#holder, `kubepods-burstable-pod${uid.replaceAll("-", "_")}.slice`);
  }

  /** Starts a process of the pod, in a network namespace of its own, in the node's, or in that of a file. */
  async start(uid: string, network: "own" | "node" | { path: string } = "own"): Promise<Sandbox> {
    const name = `c${made++}`;
    const directory = join(
      this.podDirectory(uid),
      this.#driver === "cgroupfs" ? name : `cri-containerd-${name}.scope`,
    );
    mkdirSync(directory, { recursive: true });
    const command = [...enteringWords(network), "sleep", "1000"];
    const child = spawn("sh", ["-c", MOVE, directory, ...command], { stdio: "ignore" });
    await once(child, "spawn");
    const { pid } = child;
    if (pid === undefined) throw new Error("the sandbox did not start");
    const end = async (): Promise<void> => {
      this.#sandboxes.delete(sandbox);
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    };
    const sandbox: Sandbox = { process: child, pid, end };
    this.#sandboxes.add(sandbox);
    await until("the sandbox runs", () => readlinkSync(`/proc/${pid}/exe`).endsWith("/sleep"));
    return sandbox;
  }

  /** Removes the pod's directories; its processes must have ended. */
  remove(uid: string): void {
    removeTree(this.podDirectory(uid));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sandboxes].map((sandbox) => sandbox.end()));
    removeTree(this.root);
  }
}

function enteringWords(network: "own" | "node" | { path: string }): readonly string[] {
  if (network === "own") return ["unshare", "--net"];
  return network === "node" ? [] : ["nsenter", `--net=${network.path}`];
}

/** Cgroup directories hold files that can't be removed: children first, then the directory itself. */
function removeTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(path, entry.name));
  rmdirSync(path);
}
