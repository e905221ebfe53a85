/** `sim wait`: until everything is ready, or until some objects are in a state. */

import { type Command, InvalidArgumentError } from "commander";
import type { AwaitedState } from "../api/protocol.ts";
import { ask, type Terminal } from "./context.ts";
import { seconds } from "./numbers.ts";
import { parseTargets } from "./resource-args.ts";

interface WaitOptions {
  readonly for?: AwaitedState;
  readonly timeout: number;
  readonly namespace: string;
  readonly selector?: string;
  readonly all?: boolean;
}

/** Adds the verb to the program. */
export function addWait(program: Command, terminal: Terminal): void {
  program
    .command("wait")
    .description("wait until all is ready, or: wait --for=condition=Ready pod -l app=user")
    .argument("[resource...]", "KIND NAME… or KIND/NAME…; without: everything")
    .option(
      "--for <what>",
      "condition=Ready|Available|Complete|Failed, or delete",
      parseAwaitedState,
    )
    .option("--timeout <seconds>", "give up after this long", seconds, 30)
    .option("-n, --namespace <name>", "namespace", "default")
    .option("-l, --selector <labels>", "KEY=VALUE[,KEY=VALUE]")
    .option("--all", "all objects of the kind in the namespace")
    .action(async (words: string[], options: WaitOptions, command: Command) => {
      const timeoutMs = options.timeout * 1_000;
      if (words.length === 0 && options.for === undefined) {
        await ask(command, terminal, { verb: "wait", timeoutMs });
        return;
      }
      if (options.for === undefined)
        throw new InvalidArgumentError("say what to wait for: --for=condition=Ready");
      const until = { targets: parseTargets(words, options), state: options.for };
      await ask(command, terminal, { verb: "wait", until, timeoutMs });
    });
}

const STATES: ReadonlyMap<string, AwaitedState> = new Map([
  ["condition=ready", "Ready"],
  ["condition=available", "Available"],
  ["condition=complete", "Complete"],
  ["condition=failed", "Failed"],
  ["delete", "deleted"],
]);

/** The value of --for; names of conditions in any case, as kubectl takes them. Throws InvalidArgumentError. */
export function parseAwaitedState(text: string): AwaitedState {
  const state = STATES.get(text.replace(/=true$/i, "").toLowerCase());
  if (state === undefined)
    throw new InvalidArgumentError(
      "must be condition=Ready, condition=Available, condition=Complete, condition=Failed or delete",
    );
  return state;
}
