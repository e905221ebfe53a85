/** `sim exec`: runs a program in a pod (or a node), with this terminal's input and output, and its exit code. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { type Command, InvalidArgumentError } from "commander";
import type { Location } from "../api/protocol.ts";
import { sandboxed } from "../kubelet/sandbox.ts";
import { call, type Terminal } from "./context.ts";
import { parseOne } from "./resource-args.ts";

/** $0 cgroup, $1 network namespace, then the command. */
const IN_NODE =
  'echo 0 > "$0/cgroup.procs" || exit 125; n=$1; shift; exec nsenter --net="$n" -- "$@"';

interface ExecOptions {
  readonly namespace: string;
  readonly container?: string;
}

/** Adds the verb to the program. */
export function addExec(program: Command, terminal: Terminal): void {
  program
    .command("exec")
    .description("run a program in a pod: exec POD|deploy/NAME|node/NAME -- CMD…")
    .argument("<target>", "pod name, or KIND/NAME: a ready pod of it")
    .argument("[command...]", "the program, after --")
    .option("-n, --namespace <name>", "namespace", "default")
    .option("-c, --container <name>", "whose environment to use")
    .option("-i, --stdin", "accepted for kubectl's sake: input is always passed on")
    .option("-t, --tty", "accepted for kubectl's sake: the terminal is always passed on")
    .passThroughOptions()
    .action(async (word: string, given: string[], options: ExecOptions, command: Command) => {
      const words = given[0] === "--" ? given.slice(1) : given;
      if (words.length === 0)
        throw new InvalidArgumentError(
          "say what to run: exec deploy/user -- curl -s http://order/",
        );
      const reply = await call(command, {
        verb: "locate",
        target: parseOne(word, options.namespace),
        ...(options.container === undefined ? {} : { container: options.container }),
      });
      const [problem] = reply.problems;
      if (problem !== undefined || reply.location === undefined)
        throw new Error(problem ?? "the supervisor did not say where that is");
      terminal.setExitCode(await run(reply.location, words));
    });
}

/** Signals that end this process pass through it to the program. */
const PASSED_ON = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;
/** How long a program may take over its good-byes before it is killed. */
const GRACE_MS = 3_000;

/** Runs the command there and returns its exit code; 128 + the signal's number when it was killed, as a shell does. */
async function run(location: Location, command: readonly string[]): Promise<number> {
  const [program = "", ...args] = commandAt(location, command);
  const pass = (signal: NodeJS.Signals): void => {
    // Ctrl-C of a terminal reaches its whole process group: the program has them already, and
    // an interactive one goes on.
    if (process.stdin.isTTY && (signal === "SIGINT" || signal === "SIGQUIT")) return;
    child.kill(signal);
    setTimeout(() => child.kill("SIGKILL"), GRACE_MS).unref();
  };
  // Before the program is there: whoever hears of it may send a signal at once.
  for (const signal of PASSED_ON) process.on(signal, pass);
  const child = spawn(program, args, { stdio: "inherit", env: environment(location) });
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  for (const one of PASSED_ON) process.off(one, pass);
  return signal === null ? (code ?? 1) : 128 + constants.signals[signal];
}

function commandAt(location: Location, command: readonly string[]): readonly string[] {
  const { enter, cgroup } = location;
  if (enter.kind === "node") return ["/bin/sh", "-c", IN_NODE, cgroup, enter.netns, ...command];
  return sandboxed({ pid: enter.pid, cgroup, workingDir: "/" }, command);
}

function environment(location: Location): NodeJS.ProcessEnv {
  return {
    TERM: "xterm",
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ...location.env,
  };
}
