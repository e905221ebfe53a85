/**
 * How a worker takes commands: each begun in its turn and answered exactly once, also when it throws. Main waits for
 * every answer, so one that is missing would hold the node's configuration, and one too many would answer another wait.
 */

import type { Answer, Command, ToWorker } from "../messages.ts";

/** What a command gives when it is over; "later": its Reply is kept and answered then. */
export type Outcome = Answer | "later";

/** Does what a command says. What it throws is the answer, and told as a bug. */
export type Obey = (command: Command, reply: Reply) => Outcome;

/** What taking commands needs. */
export interface CommandsOptions {
  readonly obey: Obey;
  readonly send: (id: number, answer: Answer) => void;
  /** Told of what a command threw. May throw: then the worker ends, and the answer is main's own (see WorkerLink). */
  readonly onBug: (error: unknown) => void;
}

/** The right to answer one command. Only the first answer counts. */
export class Reply {
  #send: ((answer: Answer) => void) | undefined;

  constructor(send: (answer: Answer) => void) {
    this.#send = send;
  }

  /** Whether there is no answer yet. */
  get open(): boolean {
    return this.#send !== undefined;
  }

  /** Answers, unless that has happened. */
  give(answer: Answer): void {
    const send = this.#send;
    this.#send = undefined;
    send?.(answer);
  }
}

/** Answer to a command that was done and has nothing to say. */
export const DONE: Answer = { kind: "done" };

/** The commands of one worker. */
export class Commands {
  readonly #options: CommandsOptions;
  /** Those that are not answered yet. */
  readonly #open: Map<number, Reply> = new Map();

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** How many commands wait for their answer. */
  get open(): number {
    return this.#open.size;
  }

  /** Takes one message of main. */
  take(message: ToWorker): void {
    if (message.kind === "cancel") this.#open.get(message.id)?.give({ kind: "cancelled" });
    else this.#begin(message.id, message.command);
  }

  #begin(id: number, command: Command): void {
    const reply = new Reply((answer) => {
      this.#open.delete(id);
      this.#options.send(id, answer);
    });
    this.#open.set(id, reply);
    try {
      const outcome = this.#options.obey(command, reply);
      if (outcome !== "later") reply.give(outcome);
    } catch (error) {
      this.#options.onBug(error);
      reply.give({ kind: "failed", problem: `${command.kind}: ${textOf(error)}` });
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
