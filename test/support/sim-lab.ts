/** A simulated cluster without the mesh, for tests of the simulator itself: `nodemesh sim` as a user runs it. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { CLI, type Ran, SimVerbs, withFile } from "./sim-verbs.ts";

/** A running simulation of its own name. Dispose of it at the end. */
export class SimLab extends SimVerbs implements AsyncDisposable {
  /** Brings up a cluster with these manifests (YAML) and flags of `up`. The name must be unique among tests. */
  static async start(
    name: string,
    manifests: string,
    ...flags: readonly string[]
  ): Promise<SimLab> {
    const lab = new SimLab(name);
    await lab.sim("down");
    await withFile(manifests, (file) => lab.sim("up", "-f", file, "--detach", ...flags));
    return lab;
  }

  /** The simulation of that name, which somebody else brought up and takes down. */
  static of(name: string): SimLab {
    return new SimLab(name);
  }

  /** Starts a verb without waiting for its end. */
  spawn(...args: readonly string[]): ChildProcessByStdio<Writable, Readable, null> {
    return spawn(CLI, ["sim", "--name", this.name, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
  }

  /** Runs a command in a pod; what it printed, without the last line feed. Throws with its words. */
  async exec(pod: string, ...command: readonly string[]): Promise<string> {
    return (await this.sim("exec", pod, "--", ...command)).trimEnd();
  }

  /** Applies manifests. */
  async apply(manifests: string): Promise<Ran> {
    return withFile(manifests, (file) => this.run("apply", "-f", file));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sim("down");
  }
}
