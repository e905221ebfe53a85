/** Verbs on processes: kill, revive, logs. */

import type { Command } from "commander";
import { ask, type Terminal } from "./context.ts";
import { parseOne } from "./resource-args.ts";

/** Adds the verbs to the program. */
export function addProcessVerbs(program: Command, terminal: Terminal): void {
  program
    .command("kill")
    .description("SIGKILL, as a crash: agent/NODE, control or pod/NAME")
    .argument("<name>", "agent/node-1, control, pod/NAME")
    .option("-n, --namespace <name>", "namespace of the pod", "default")
    .option("--stay-dead", "do not start it again until `revive`")
    .action(
      async (
        name: string,
        options: { namespace: string; stayDead?: boolean },
        command: Command,
      ) => {
        const { namespace } = options;
        await ask(command, terminal, {
          verb: "kill",
          name,
          namespace,
          stayDead: options.stayDead === true,
        });
      },
    );
  program
    .command("revive")
    .description("start an agent or control again after kill --stay-dead")
    .argument("<name>", "agent/node-1 or control")
    .action(async (name: string, _options: unknown, command: Command) => {
      await ask(command, terminal, { verb: "revive", name });
    });
  program
    .command("logs")
    .description("the last output of a pod's container (256 KiB are kept)")
    .argument("<target>", "pod name or KIND/NAME")
    .option("-n, --namespace <name>", "namespace", "default")
    .option("-c, --container <name>", "which container; the first by default")
    .action(
      async (
        word: string,
        options: { namespace: string; container?: string },
        command: Command,
      ) => {
        const { container } = options;
        await ask(command, terminal, {
          verb: "logs",
          target: parseOne(word, options.namespace),
          ...(container === undefined ? {} : { container }),
        });
      },
    );
}
