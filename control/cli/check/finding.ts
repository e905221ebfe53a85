/** What a check found, and how it is shown. Pure. */

import { visible } from "#model/visible.ts";
import type { Paint } from "../context.ts";

/** How a line ends: `warn` does not fail the command. */
export type Verdict = "pass" | "warn" | "fail";

/** One line of `nodemesh check`. */
export interface Finding {
  readonly verdict: Verdict;
  /** The object or the thing looked at, as the operator would name it. */
  readonly subject: string;
  readonly detail: string;
  /** What to do; on every line that is no pass. */
  readonly nextStep?: string;
}

/** All is well. */
export function pass(subject: string, detail: string): Finding {
  return { verdict: "pass", subject, detail };
}

/** Works, but somebody should know. */
export function warn(subject: string, detail: string, nextStep: string): Finding {
  return { verdict: "warn", subject, detail, nextStep };
}

/** Does not work. */
export function fail(subject: string, detail: string, nextStep: string): Finding {
  return { verdict: "fail", subject, detail, nextStep };
}

/** Whether the command shall end with an error. */
export function anyFailed(findings: readonly Finding[]): boolean {
  return findings.some(({ verdict }) => verdict === "fail");
}

const COLOURS = { pass: "green", warn: "yellow", fail: "red" } as const;

/** Lines for people, the count last. The verdict is a word too: nothing is told by its colour alone. */
export function describeFindings(findings: readonly Finding[], paint: Paint): readonly string[] {
  const lines = findings.flatMap(({ verdict, subject, detail, nextStep }) => [
    `${paint(COLOURS[verdict], verdict.padEnd(4))}  ${visible(`${subject}: ${detail}`)}`,
    ...(nextStep === undefined ? [] : [`      -> ${visible(nextStep)}`]),
  ]);
  const count = (verdict: Verdict): number =>
    findings.filter((finding) => finding.verdict === verdict).length;
  return [
    ...lines,
    "",
    `${count("pass")} passed, ${count("warn")} warnings, ${count("fail")} failed`,
  ];
}
