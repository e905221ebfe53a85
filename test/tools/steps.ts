/** Runs a list of commands one after another, with durations, for check.ts and ci.ts. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../support/source-files.ts";

/** One command of a run. */
export interface Step {
  readonly name: string;
  /** Program and arguments; a relative program is looked up in the checkout first. */
  readonly command: readonly string[];
  /** A file of the checkout the step cannot do without: absent = the step has failed as missing. */
  readonly target?: string;
}

/** How a step went. */
export type Verdict = "ok" | "failed" | "missing";

/** A step with its verdict. */
export interface StepResult {
  readonly name: string;
  readonly verdict: Verdict;
  readonly seconds: number;
}

/** Whether the commands' output is shown as it comes, or only for those that fail. */
export type Output = "live" | "on-failure";

/** Runs one step in the checkout; a command that cannot be started has failed. */
export async function runStep(step: Step, output: Output): Promise<StepResult> {
  const started = performance.now();
  if (step.target !== undefined && !existsSync(join(ROOT, step.target))) {
    console.log(`${step.name}: MISSING, there is no ${step.target}`);
    return { name: step.name, verdict: "missing", seconds: 0 };
  }
  if (output === "live") console.log(`\n=== ${step.name}: ${step.command.join(" ")}`);
  const { code, text } = await execute(step.command, output);
  const seconds = (performance.now() - started) / 1000;
  const verdict = code === 0 ? "ok" : "failed";
  if (verdict === "failed") process.stdout.write(text);
  console.log(`${step.name}: ${verdict} in ${seconds.toFixed(1)}s`);
  return { name: step.name, verdict, seconds };
}

function execute(
  command: readonly string[],
  output: Output,
): Promise<{ readonly code: number; readonly text: string }> {
  const [program = "", ...args] = command;
  const local = join(ROOT, program);
  const child = spawn(program.includes("/") && existsSync(local) ? local : program, args, {
    cwd: ROOT,
    stdio: [
      "ignore",
      output === "live" ? "inherit" : "pipe",
      output === "live" ? "inherit" : "pipe",
    ],
  });
  let text = "";
  child.stdout?.on("data", (bytes: Buffer) => {
    text += bytes.toString();
  });
  child.stderr?.on("data", (bytes: Buffer) => {
    text += bytes.toString();
  });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: 127, text: `${error.message}\n` }));
    child.once("close", (code) => resolve({ code: code ?? 1, text }));
  });
}

/** Prints every step with its verdict and duration. */
export function printSteps(results: readonly StepResult[]): void {
  console.log("");
  for (const { name, verdict, seconds } of results)
    console.log(`${verdict.padEnd(8)} ${seconds.toFixed(1).padStart(7)}s  ${name}`);
}
