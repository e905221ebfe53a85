/**
 * Calls into a child process over Node's IPC channel: the child answers named operations with values that
 * can be cloned, the parent awaits them. Errors travel as messages.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { inNetns } from "../../agent/kernel/netns.ts";

/** The operations a child offers, by name. Each takes one argument. */
export type Operations = Readonly<Record<string, (argument: never) => unknown>>;

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** The child's side: answers calls until the parent goes away. */
export function answerCalls(operations: Operations): void {
  process.on("message", async (call: { id: number; name: string; argument: never }) => {
    const answer = await attempt(operations, call);
    if (process.connected) process.send?.({ id: call.id, ...answer });
  });
  process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
  process.send?.({ id: 0 });
}

async function attempt(
  operations: Operations,
  { name, argument }: { readonly name: string; readonly argument: never },
): Promise<Omit<Answer, "id">> {
  try {
    return { value: await operations[name]?.(argument) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** The parent's side of one child process. Disposing kills it and waits. */
export class Child<T extends Operations> implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #calls = 0;

  private constructor(child: ChildProcess) {
    this.process = child;
    const ready = Promise.withResolvers<unknown>();
    this.#pending.set(0, ready);
    child.on("message", (answer: Answer) => this.#answered(answer));
    child.on("exit", () => this.#fail(new Error("the child process is gone")));
  }

  /** Starts `script` in the network namespace of a descriptor (default: this one). */
  static async start<T extends Operations>(script: string, netns?: number): Promise<Child<T>> {
    const begin = (): ChildProcess =>
      fork(script, { execArgv: ["--no-warnings"], serialization: "advanced" });
    const child = new Child<T>(netns === undefined ? begin() : inNetns(netns, begin));
    await child.#pending.get(0)?.promise;
    return child;
  }

  /** Calls an operation of the child. */
  call<K extends keyof T & string>(
    name: K,
    argument: Parameters<T[K]>[0],
  ): Promise<Awaited<ReturnType<T[K]>>> {
    const id = ++this.#calls;
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(id, pending);
    this.process.send({ id, name, argument });
    return pending.promise as Promise<Awaited<ReturnType<T[K]>>>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await exited;
  }

  #answered({ id, value, error }: Answer): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(value);
    else pending?.reject(new Error(error));
  }

  #fail(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}
