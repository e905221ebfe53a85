/** A node's agent with flags of the test's choice, in the place of the simulator's. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { MeshLab } from "./mesh-lab.ts";
import { until } from "./until.ts";

/** $0 cgroup, $1 network namespace, then the command. */
const IN_CGROUP =
  'echo 0 > "$0/cgroup.procs" || exit 125; n=$1; shift; exec nsenter --net="$n" -- "$@"';
const READY_MS = 10_000;

/** A line of the access log or of the agent's own log; only what tests look at. */
export interface LogLine {
  readonly level?: string;
  readonly message?: string;
  readonly problem?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly protocol?: string;
  readonly detail?: string;
  readonly service?: string;
}

/** A running agent and what it has logged. It ends with the simulation. */
export class OwnAgent {
  readonly #lines: LogLine[] = [];
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;

  private constructor(child: ChildProcessByStdio<null, Readable, Readable>) {
    this.#child = child;
    for (const input of [child.stdout, child.stderr])
      createInterface({ input }).on("line", (line) => {
        if (line.startsWith("{")) this.#lines.push(JSON.parse(line) as LogLine);
      });
    // Also for whoever reads the test's output.
    child.stderr.pipe(process.stderr);
  }

  /** Kills the node's agent for good and starts another by the same words and `flags`; waits until it is ready. */
  static async replace(lab: MeshLab, node: string, flags: readonly string[]): Promise<OwnAgent> {
    const { agents, nodes } = await lab.status();
    const pid = agents.find((agent) => agent.node === node)?.process.pid;
    const netns = nodes.find(({ name }) => name === node)?.netns;
    if (pid === undefined || netns === undefined) throw new Error(`no agent runs on ${node}`);
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
    await lab.sim("kill", `agent/${node}`, "--stay-dead");
    const cgroup = join(words[words.indexOf("--cgroup") + 1] ?? "", "agent");
    const args = ["-c", IN_CGROUP, cgroup, netns, ...words, ...flags];
    const agent = new OwnAgent(spawn("/bin/sh", args, { stdio: ["ignore", "pipe", "pipe"] }));
    const enrolled = /^nodemesh_enrolled_pods [1-9]/m;
    await until("the agent is ready", async () => enrolled.test(await lab.metrics(node)), READY_MS);
    return agent;
  }

  /** Whether the program that runs it has ended. */
  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Its process: the shell and nsenter that started it became it. */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** How it ended by itself; null before, and when a signal ended it. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** Asks it to end, as a kubelet does. */
  terminate(): void {
    this.#child.kill("SIGTERM");
  }

  /** Lines of the agent's own log with this message. */
  linesThatSay(message: string): readonly LogLine[] {
    return this.#lines.filter((line) => line.message === message);
  }

  /** Lines that name the reason. */
  linesOf(reason: string): readonly LogLine[] {
    return this.#lines.filter((line) => line.reason === reason);
  }
}
