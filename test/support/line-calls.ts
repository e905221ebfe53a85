/** Questions to a program over its pipes: one JSON line each way per question, numbered. */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** A program that answers `{ id, command }` with `{ id, result }`. Disposing closes its input and waits for its end. */
export class LineCalls<Command, Result> implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting: Map<number, (result: Result) => void> = new Map();
  #next = 1;

  /** Starts `command`; `gone` is what questions get that it can't answer any more. */
  constructor(command: readonly [string, ...string[]], gone: Result) {
    const [program, ...args] = command;
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const { id, result } = JSON.parse(line) as { id: number; result: Result };
      this.#waiting.get(id)?.(result);
      this.#waiting.delete(id);
    });
    this.#child.once("exit", () => {
      for (const resolve of this.#waiting.values()) resolve(gone);
    });
  }

  /** Asks one question. */
  ask(command: Command): Promise<Result> {
    const id = this.#next++;
    const { promise, resolve } = Promise.withResolvers<Result>();
    this.#waiting.set(id, resolve);
    this.#child.stdin.write(`${JSON.stringify({ id, command })}\n`);
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The pod may be gone, and the program with it.
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.stdin.end();
    await ended;
  }
}
