/** A program that goes on beside a test: `kubectl logs -f`, `kubectl port-forward`. */

import { type ChildProcess, spawn } from "node:child_process";
import { until } from "../../support/until.ts";

const DEADLINE_MS = 20_000;

/** It, and what it has said. Disposal ends it. */
export class RunningProgram implements AsyncDisposable {
  readonly #command: string;
  readonly #child: ChildProcess;
  /** Also when it could not be started. */
  readonly #closed: Promise<unknown>;
  #over = false;
  #said = "";
  #complained = "";

  /** Starts it. Why it could not be started is said by whatever is waited for next. */
  constructor(file: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.#command = `${file} ${args.join(" ")}`;
    const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.on("data", (bytes: Buffer) => {
      this.#said += bytes.toString();
    });
    child.stderr.on("data", (bytes: Buffer) => {
      this.#complained += bytes.toString();
    });
    child.on("error", ({ message }) => {
      this.#complained += message;
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    child.once("close", () => {
      this.#over = true;
      resolve();
    });
    this.#closed = promise;
    this.#child = child;
  }

  /** Everything that it has said on its standard output. */
  get said(): string {
    return this.#said;
  }

  /** Everything that it has said on its standard error. */
  get complained(): string {
    return this.#complained;
  }

  /** Waits until its standard output matches. Throws, with its standard error, when it ends or time is up before. */
  says(pattern: RegExp, deadlineMs: number = DEADLINE_MS): Promise<RegExpExecArray> {
    return this.tells(`${pattern}`, (said) => pattern.exec(said) ?? undefined, deadlineMs);
  }

  /** The same for what is found in it by a function, which is called for each new output. */
  async tells<T>(
    what: string,
    find: (said: string) => T | undefined,
    deadlineMs: number = DEADLINE_MS,
  ): Promise<T> {
    let found: T | undefined;
    let looked: string | undefined;
    const finds = (): boolean => {
      if (looked !== this.#said) found = find(this.#said);
      looked = this.#said;
      return found !== undefined || this.#over;
    };
    const late = await until(`says ${what}`, finds, deadlineMs).catch((error: Error) => error);
    if (found !== undefined) return found;
    const how = late === undefined ? "ended" : `has said nothing of the kind in ${deadlineMs} ms`;
    throw new Error(`${this.#command} ${how}, ${what} was waited for: ${this.#complained}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    await this.#closed;
  }
}
