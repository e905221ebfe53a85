/** `nodemesh sim --name NAME …` as a user runs it, for the labs of tests. */

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The command that tests and users run. */
export const CLI: string = fileURLToPath(new URL("../../bin/nodemesh", import.meta.url));
const OUTPUT_BYTES = 64 << 20;

/** Result of a verb, or of a command in a pod. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The verbs of one simulation. */
export class SimVerbs {
  readonly name: string;

  /** The name must be unique among tests that run together. */
  constructor(name: string) {
    this.name = name;
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
}

/** Gives `use` a file that holds the text while it runs. */
export async function withFile<T>(text: string, use: (file: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "nodemesh-lab-"));
  const file = join(directory, "lab.yaml");
  await writeFile(file, text);
  try {
    return await use(file);
  } finally {
    await rm(directory, { recursive: true });
  }
}
