/** `sim logs`: what a container or a process of the mesh said, and with -f what it goes on saying. */

import { setTimeout as sleep } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import type { LogPiece, LogSource } from "../api/protocol.ts";
import { call, type Terminal } from "./context.ts";
import { parseOne } from "./resource-args.ts";

/** How often -f asks for more: soon enough to feel immediate. */
const POLL_MS = 100;

interface LogOptions {
  readonly namespace: string;
  readonly container?: string;
  readonly follow?: boolean;
  readonly tail: number;
}

/** Adds the verb to the program. */
export function addLogs(program: Command, terminal: Terminal): void {
  program
    .command("logs")
    .description("the last output of a pod's container, of an agent or of control (256 KiB)")
    .argument(
      "<target>",
      "pod name or KIND/NAME; agent/NODE; control (a pod of that name: pod/control)",
    )
    .argument("[container]", "which container; the first by default")
    .option("-n, --namespace <name>", "namespace", "default")
    .option("-c, --container <name>", "which container; the first by default")
    .option("-f, --follow", "go on until the pod or the simulation is gone, or Ctrl-C")
    .option("--tail <lines>", "only the last lines; -1 = all that is kept", lineCount, -1)
    .action(
      async (word: string, second: string | undefined, options: LogOptions, command: Command) => {
        const container = options.container ?? second;
        const source = parseLogSource(word, { container, namespace: options.namespace });
        const first = await askFor(command, source);
        terminal.write(lastLines(Buffer.from(first.base64, "base64"), options.tail));
        if (options.follow === true) await follow(command, first, terminal);
      },
    );
}

/** Whose output the words of the command line mean. Throws InvalidArgumentError. */
export function parseLogSource(
  word: string,
  { container, namespace }: { readonly container: string | undefined; readonly namespace: string },
): LogSource {
  if (word !== "control" && !word.startsWith("agent/")) {
    const target = parseOne(word, namespace);
    return { kind: "container", target, ...(container === undefined ? {} : { container }) };
  }
  if (container !== undefined)
    throw new InvalidArgumentError(`${word} is a process of the mesh and has no containers`);
  return { kind: "daemon", name: word };
}

async function askFor(command: Command, source: LogSource, from?: number): Promise<LogPiece> {
  const { log, problems } = await call(command, {
    verb: "logs",
    source,
    ...(from === undefined ? {} : { from }),
  });
  const [problem] = problems;
  if (log === undefined) throw new Error(problem ?? "the supervisor gave no log");
  return log;
}

/** What was chosen first stays the one, also when a Deployment was named. */
async function follow(command: Command, first: LogPiece, terminal: Terminal): Promise<void> {
  let { next } = first;
  for (;;) {
    await sleep(POLL_MS);
    let piece: LogPiece;
    try {
      piece = await askFor(command, first.source, next);
    } catch {
      // The pod is gone, or the simulation with it: that is the end of its output.
      return;
    }
    terminal.write(Buffer.from(piece.base64, "base64"));
    next = piece.next;
  }
}

/** The last lines of a text, whole; all of it for a negative number. */
export function lastLines(text: Buffer, lines: number): Buffer {
  if (lines < 0) return text;
  let start = text.length;
  for (let left = lines; left > 0; left--) {
    // The line feed that ends the line before; -1 = the text begins here.
    const at = start < 2 ? -1 : text.lastIndexOf(10, start - 2);
    start = at + 1;
    if (at < 0) break;
  }
  return text.subarray(start);
}

function lineCount(text: string): number {
  if (!/^(?:-1|\d+)$/.test(text))
    throw new InvalidArgumentError("must be a number of lines, or -1 for all");
  return Number(text);
}
