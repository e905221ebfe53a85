/** What a test file came to, by its events and by how its process ended: pure. */
import type { FileEvent } from "./event-lines.ts";

/** How a file's process ended. */
export type Ending =
  | { readonly kind: "exited"; readonly code: number | null; readonly signal: string | null }
  | { readonly kind: "late"; readonly timeoutMs: number }
  | { readonly kind: "aborted"; readonly why: string };

/** What its tests came to. */
export interface Verdict {
  readonly passed: number;
  readonly failures: readonly string[];
  /** Skips whose reason starts with `announced:`. */
  readonly announced: readonly string[];
  /** What its tests said. */
  readonly said: readonly string[];
}

type Passed = Extract<FileEvent, { kind: "passed" }>;
type Failed = Extract<FileEvent, { kind: "failed" }>;

/** The verdict on `file`, whose name begins each failure. `output` is what it printed: the last failure shows it. */
export function judge(
  file: string,
  events: readonly FileEvent[],
  ending: Ending,
  output: string,
): Verdict {
  const finished = events.filter((event) => event.kind === "passed" || event.kind === "failed");
  const counted = finished.map((event) => ({ event, outcome: outcomeOf(event) }));
  const named = (wanted: Outcome["kind"]): readonly string[] =>
    counted.flatMap(({ event: { name }, outcome }) =>
      outcome.kind === wanted ? [`${file}: ${name}${outcome.words}`] : [],
    );
  const failures = [...named("failed")];
  const trouble = troubleOf(ending, failures.length > 0, unfinished(events));
  if (trouble !== undefined) failures.push(`${file}: ${trouble}`);
  else if (finished.length === 0) failures.push(`${file}: holds no test that ran`);
  const last = failures.pop();
  if (last !== undefined)
    failures.push(output.trim() === "" ? last : `${last}\n  it printed:\n${indent(output)}`);
  return {
    passed: named("passed").length,
    failures,
    announced: named("announced"),
    said: events.flatMap((event) => (event.kind === "said" ? [event.message] : [])),
  };
}

/** What a finished test counts as; a suite that went well counts as nothing, its tests do. */
interface Outcome {
  readonly kind: "passed" | "failed" | "announced" | "nothing";
  /** What follows its name. */
  readonly words: string;
}

function outcomeOf(event: Passed | Failed): Outcome {
  if (event.kind === "failed")
    return { kind: event.within ? "nothing" : "failed", words: `\n${indent(event.why)}` };
  const { skip, todo, suite } = event;
  if (typeof skip === "string" && skip.startsWith("announced:"))
    return { kind: "announced", words: ` (${skip})` };
  if (skip !== undefined && skip !== false)
    return { kind: "failed", words: ": skipped without an announced reason" };
  if (todo !== undefined && todo !== false) return { kind: "failed", words: ": marked todo" };
  return { kind: suite ? "nothing" : "passed", words: "" };
}

/** Tests that began and did not finish, outermost first. */
function unfinished(events: readonly FileEvent[]): readonly string[] {
  const open: string[] = [];
  for (const event of events) {
    if (event.kind === "started") open.push(event.name);
    else if (event.kind !== "said") {
      const at = open.lastIndexOf(event.name);
      if (at >= 0) open.splice(at, 1);
    }
  }
  return open;
}

/** What is wrong with the way in which it ended; nothing when its tests tell already. */
function troubleOf(
  ending: Ending,
  hasFailed: boolean,
  open: readonly string[],
): string | undefined {
  const during = open.length === 0 ? "" : `, during: ${open.join(" > ")}`;
  switch (ending.kind) {
    case "late":
      return `was not over after ${ending.timeoutMs / 1000} s${during}`;
    case "aborted":
      return `aborted (${ending.why})${during}`;
    case "exited":
      if (ending.signal !== null) return `was ended by ${ending.signal}${during}`;
      return ending.code === 0 || (ending.code === 1 && hasFailed)
        ? undefined
        : `ended with exit code ${ending.code}${during}`;
  }
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, "    ");
}
