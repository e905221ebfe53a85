/**
 * A reporter for node:test (`--test-reporter`): what happens in a test file as one line of JSON per event, for
 * file-run.ts. It runs in the file's own process and puts errors into words there, where they are whole.
 */
import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";

/** An event of a test file. */
export type FileEvent =
  | { readonly kind: "started"; readonly name: string }
  | {
      readonly kind: "passed";
      readonly name: string;
      readonly suite: boolean;
      /** The reason, or true when none was given. */
      readonly skip?: string | boolean | undefined;
      readonly todo?: string | boolean | undefined;
    }
  | {
      readonly kind: "failed";
      readonly name: string;
      /** It failed only since a test within it did, which tells why itself. */
      readonly within: boolean;
      readonly why: string;
    }
  /** What a test said by `t.diagnostic()`. */
  | { readonly kind: "said"; readonly message: string };

/** The sums that node:test tells at the end: nobody's words. */
const SUM = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

async function* eventLines(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    const told = fileEvent(event);
    if (told !== undefined) yield `${JSON.stringify(told)}\n`;
  }
}

function fileEvent(event: TestEvent): FileEvent | undefined {
  switch (event.type) {
    // "test:start" comes with the result, when a test before it has one.
    case "test:dequeue":
      return { kind: "started", name: event.data.name };
    case "test:pass": {
      const { name, skip, todo, details } = event.data;
      return { kind: "passed", name, suite: details.type === "suite", skip, todo };
    }
    case "test:fail":
      return failed(event.data.name, event.data.details.error);
    case "test:diagnostic":
      return SUM.test(event.data.message)
        ? undefined
        : { kind: "said", message: event.data.message };
    default:
      return undefined;
  }
}

function failed(name: string, error: unknown): FileEvent {
  const within =
    error instanceof Error && "failureType" in error && error.failureType === "subtestsFailed";
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const text = cause instanceof Error && cause.cause === undefined ? cause.stack : inspect(cause);
  return { kind: "failed", name, within, why: text ?? "no reason given" };
}

// biome-ignore lint/style/noDefaultExport: node:test takes a reporter by its default export, and by nothing else.
export { eventLines as default };
