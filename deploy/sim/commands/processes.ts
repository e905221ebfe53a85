/** Verbs on processes: kill, revive, and the door to logs. */

import { type Command, InvalidArgumentError } from "commander";
import type { Target } from "../api/protocol.ts";
import { ask, type Terminal } from "./context.ts";
import { addLogs } from "./logs.ts";
import { isKind, parseTargets, type Scope } from "./resource-args.ts";

/** Adds the verbs to the program. */
export function addProcessVerbs(program: Command, terminal: Terminal): void {
  program
    .command("kill")
    .description("SIGKILL, as a crash: kill agent/node-1, control, pod/NAME or pod -l app=order")
    .argument("<name...>", "agent/NODE, control, pod/NAME, or pod NAME…")
    .option("-n, --namespace <name>", "namespace of the pod", "default")
    .option("-l, --selector <labels>", "KEY=VALUE[,KEY=VALUE]")
    .option("--all", "all pods in the namespace")
    .option("--stay-dead", "agent or control: do not start it again until `revive`")
    .action(async (words: string[], options: KillOptions, command: Command) => {
      for (const victim of parseVictims(words, options))
        if (typeof victim === "string") {
          const stayDead = options.stayDead === true;
          await ask(command, terminal, { verb: "kill", name: victim, stayDead });
        } else await ask(command, terminal, { verb: "crash", target: victim });
    });
  program
    .command("revive")
    .description("start an agent or control again after kill --stay-dead")
    .argument("<name>", "agent/node-1 or control")
    .action(async (name: string, _options: unknown, command: Command) => {
      await ask(command, terminal, { verb: "revive", name });
    });
  addLogs(program, terminal);
}

interface KillOptions extends Scope {
  readonly stayDead?: boolean;
}

/** Processes of the mesh by their names, and pods; `agent NODE` is taken as `agent/NODE`. */
export function parseVictims(
  words: readonly string[],
  scope: Scope & { readonly stayDead?: boolean },
): readonly (string | Target)[] {
  const [first = "", ...others] = words;
  if (first === "agent") return others.map((node) => `agent/${node}`);
  const isDaemon = (word: string): boolean => word === "control" || word.startsWith("agent/");
  const daemons = words.filter(isDaemon);
  const pods = words.filter((word) => !isDaemon(word));
  if (pods.length === 0) return daemons;
  if (scope.stayDead === true)
    throw new InvalidArgumentError(
      "a pod can't stay dead: its kubelet starts it again; delete it, or scale to 0",
    );
  const bare = pods.find((word) => !word.includes("/"));
  if (bare !== undefined && !isKind(pods[0] ?? ""))
    throw new InvalidArgumentError(`"${bare}" is no process of the mesh; a pod is pod/${bare}`);
  return [...daemons, ...parseTargets(pods, scope)];
}
