/** `sim logs`: what a container said, and with -f what it goes on saying. */

import { setTimeout as sleep } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import type { LogPiece, Target } from "../api/protocol.ts";
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
    .description("the last output of a pod's container (256 KiB are kept)")
    .argument("<target>", "pod name or KIND/NAME")
    .argument("[container]", "which container; the first by default")
    .option("-n, --namespace <name>", "namespace", "default")
    .option("-c, --container <name>", "which container; the first by default")
    .option("-f, --follow", "go on until the pod is gone, or Ctrl-C")
    .option("--tail <lines>", "only the last lines; -1 = all that is kept", lineCount, -1)
    .action(
      async (word: string, second: string | undefined, options: LogOptions, command: Command) => {
        const container = options.container ?? second;
        const asker = new Asker(command, container);
        const first = await asker.ask(parseOne(word, options.namespace));
        terminal.write(lastLines(Buffer.from(first.base64, "base64"), options.tail));
        if (options.follow === true) await follow(asker, first, terminal);
      },
    );
}

/** Asks one container again and again. */
class Asker {
  readonly #command: Command;
  readonly #container: string | undefined;

  constructor(command: Command, container: string | undefined) {
    this.#command = command;
    this.#container = container;
  }

  async ask(target: Target, from?: number): Promise<LogPiece> {
    const { log, problems } = await call(this.#command, {
      verb: "logs",
      target,
      ...(this.#container === undefined ? {} : { container: this.#container }),
      ...(from === undefined ? {} : { from }),
    });
    const [problem] = problems;
    if (log === undefined) throw new Error(problem ?? "the supervisor gave no log");
    return log;
  }
}

/** The pod that was chosen first stays the one, also when a Deployment was named. */
async function follow(asker: Asker, first: LogPiece, terminal: Terminal): Promise<void> {
  const { namespace } = first;
  const target: Target = { kind: "Pod", namespace, names: [first.pod], selector: {}, all: false };
  let { next } = first;
  for (;;) {
    await sleep(POLL_MS);
    let piece: LogPiece;
    try {
      piece = await asker.ask(target, next);
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
