/** A simulated cluster without the mesh, for tests of the simulator itself: `nodemesh sim` as a user runs it. */

import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Ran } from "./mesh-lab.ts";

const CLI: string = fileURLToPath(new URL("../../bin/nodemesh", import.meta.url));
const OUTPUT_BYTES = 16 << 20;

/** A running simulation of its own name. Dispose of it at the end. */
export class SimLab implements AsyncDisposable {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /** Brings up a cluster with these manifests (YAML) and flags of `up`. The name must be unique among tests. */
  static async start(
    name: string,
    manifests: string,
    ...flags: readonly string[]
  ): Promise<SimLab> {
    const lab = new SimLab(name);
    await lab.sim("down");
    await lab.withFile(manifests, (file) => lab.sim("up", "-f", file, "--detach", ...flags));
    return lab;
  }

  /** The simulation of that name, which somebody else brought up and takes down. */
  static of(name: string): SimLab {
    return new SimLab(name);
  }

  /** Runs a verb; what it printed. Throws with its words. */
  async sim(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0) throw new Error(`sim ${args.join(" ")}: exit ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** The same, whatever the exit code. */
  async run(...args: readonly string[]): Promise<Ran> {
    const options = { maxBuffer: OUTPUT_BYTES };
    try {
      const done = await promisify(execFile)(CLI, ["sim", "--name", this.name, ...args], options);
      return { code: 0, ...done };
    } catch (error) {
      const { code, stdout, stderr } = error as Ran;
      return { code, stdout, stderr };
    }
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
    return this.withFile(manifests, (file) => this.run("apply", "-f", file));
  }

  /** Gives `use` a file that holds the text while it runs. */
  async withFile<T>(text: string, use: (file: string) => Promise<T>): Promise<T> {
    const directory = await mkdtemp(join(tmpdir(), "nodemesh-sim-lab-"));
    const file = join(directory, "lab.yaml");
    await writeFile(file, text);
    try {
      return await use(file);
    } finally {
      await rm(directory, { recursive: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sim("down");
  }
}
