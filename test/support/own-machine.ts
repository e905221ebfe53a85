/**
 * A small machine of its own for a test file: namespaces for network, mounts and cgroups, and a cgroup in each
 * hierarchy. Files that run side by side know nothing of each other, whatever names, ports and addresses they choose,
 * and what one of them leaves behind lies where nobody else can have left it. The kernel, its clock and its process
 * ids are everybody's.
 */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { removeCgroup } from "../../deploy/sim/cgroups.ts";
import { fillCpuset, type Hierarchy, hierarchies } from "../cluster/cgroups.ts";
import { cgroupMounts } from "../cluster/node/files.ts";
import { inCgroups } from "../cluster/processes.ts";
import { leftIn, type MachineState, machineState } from "./machine-state.ts";

/** Killed processes take their mounts and network namespaces apart. */
const KILL_DEADLINE_MS = 30_000;
/** What a cgroup of a machine is named: the process that made it, and a number. */
const NAME = /^nodemesh-test-(\d+)-\d+$/;
/** Makes the names of this process's machines different. */
let made = 0;

/** A machine that runs. Disposing kills everything in it and removes it; so does the end of this process. */
export class OwnMachine implements AsyncDisposable {
  readonly #holder: Holder;
  /** Its cgroups, as this process sees them: the v2 one last. */
  readonly #cgroups: readonly string[];
  readonly #begun: MachineState;

  private constructor(holder: Holder, cgroups: readonly string[]) {
    this.#holder = holder;
    this.#cgroups = cgroups;
    this.#begun = this.#state();
  }

  /** Makes one, empty but for `lo`. Throws with the words of the program that failed. */
  static async start(): Promise<OwnMachine> {
    const cgroups = makeBelowOwn(`nodemesh-test-${process.pid}-${made++}`);
    try {
      return new OwnMachine(await hold(cgroups), cgroups);
    } catch (error) {
      await remove(cgroups);
      throw error;
    }
  }

  /** The words that run a command in it, in the same working directory. It has this process's environment. */
  command(words: readonly string[]): readonly string[] {
    const spaces = ["net", "mount", "cgroup"].map((kind) => `--${kind}`);
    const enter = ["nsenter", `--target=${this.#holder.pid}`, ...spaces, `--wdns=${process.cwd()}`];
    return inCgroups(this.#cgroups, [...enter, "--", ...words]);
  }

  /** What is in it that was not at its start, as words; waits up to `deadlineMs` for it to go. */
  left(deadlineMs?: number): Promise<readonly string[]> {
    return leftIn(this.#begun, () => this.#state(), deadlineMs);
  }

  /** CPU time of everything that ran in it, in seconds. */
  get cpuSeconds(): number {
    const stat = readFileSync(join(this.#cgroups.at(-1) ?? "", "cpu.stat"), "utf8");
    return Number(/^usage_usec (\d+)$/m.exec(stat)?.[1]) / 1e6;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#holder.stdin.destroy();
    await remove(this.#cgroups);
  }

  #state(): MachineState {
    return machineState({ pid: this.#holder.pid ?? -1, cgroups: this.#cgroups });
  }
}

/** The process that keeps the namespaces; it ends with its standard input. */
type Holder = ChildProcessByStdio<Writable, Readable, Readable>;

async function hold(cgroups: readonly string[]): Promise<Holder> {
  const spaces = ["net", "mount", "cgroup"].map((kind) => `--${kind}`);
  const [file = "", ...args] = inCgroups(cgroups, [
    ...["unshare", ...spaces, "--propagation=private"],
    ...["/bin/sh", "-euc", bootScript(hierarchies())],
  ]);
  // A session of its own: Ctrl-C is for whoever started the run, who takes the machine down.
  const holder = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  let said = "";
  holder.stderr.on("data", (bytes: Buffer) => {
    said += bytes.toString();
  });
  const exit = once(holder, "exit");
  const ready = await Promise.race([once(holder.stdout, "data"), exit.then(() => undefined)]);
  if (ready === undefined) throw new Error(`a machine for a test does not start: ${said.trim()}`);
  return holder;
}

/** What the machine's first process does: turns what it sees into a machine without anything of anybody's, and waits. */
function bootScript(all: readonly Hierarchy[]): string {
  const v2 = all.find(({ kind }) => kind === "v2")?.point;
  // /sys shows the links of the namespace in which it was mounted. What is merely covered would still be listed.
  return `umount --recursive --lazy /sys
mount -t sysfs sysfs /sys
${cgroupMounts(all).join("\n")}
mount -t bpf bpf /sys/fs/bpf
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock
ip link set lo up
echo ready
read -r end || echo 1 >${v2}/cgroup.kill
`;
}

/** Makes a cgroup of that name below this process's own in every hierarchy: what limits us limits the machine too. */
function makeBelowOwn(name: string): readonly string[] {
  const own = readFileSync("/proc/self/cgroup", "utf8");
  return hierarchies().map((hierarchy) => {
    const home = homeIn(own, hierarchy);
    // Without a cgroup namespace a container sees its cgroup as the root of the mount, but not by that name.
    const parent = existsSync(join(hierarchy.point, home)) ? home : "/";
    removeStale(join(hierarchy.point, parent));
    const path = join(hierarchy.point, parent, name);
    mkdirSync(path);
    if (hierarchy.options.split(",").includes("cpuset"))
      fillCpuset(hierarchy.point, join(parent, name).slice(1));
    return path;
  });
}

/** The machines of a killed process end with it, but who ends can't remove the cgroup it is in: they are empty. */
function removeStale(parent: string): void {
  for (const name of readdirSync(parent)) {
    const maker = NAME.exec(name)?.[1];
    if (maker !== undefined && !existsSync(`/proc/${maker}`)) removeEmpty(join(parent, name));
  }
}

function removeEmpty(path: string): void {
  try {
    for (const entry of readdirSync(path, { withFileTypes: true }))
      if (entry.isDirectory()) removeEmpty(join(path, entry.name));
    rmdirSync(path);
  } catch {
    // It is not empty yet, or another run has just removed it.
  }
}

/** The cgroup in one hierarchy by the text of /proc/PID/cgroup (cgroups(7)): number, controllers or name, path. */
export function homeIn(
  text: string,
  { kind, options }: Pick<Hierarchy, "kind" | "options">,
): string {
  const wanted = kind === "v2" ? "" : sorted(options.replace(/^none,/, ""));
  for (const line of text.split("\n")) {
    const [, , words = "", path = "/"] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (path !== "/" && sorted(words) === wanted) return path;
  }
  return "/";
}

function sorted(words: string): string {
  return words.split(",").sort().join();
}

/** The v2 cgroup first: all processes are in it, and it can end them at once. */
async function remove(cgroups: readonly string[]): Promise<void> {
  for (const path of cgroups.toReversed()) await removeCgroup(path, KILL_DEADLINE_MS);
}
