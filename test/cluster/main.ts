/** `npm run cluster`: argv in, verbs, exit code out. The only file of the cluster with console and exit codes. */

import { spawnSync } from "node:child_process";
import { dirname, join, resolve } from "node:path";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { ensurePackages } from "../tools/debian-packages.ts";
import { componentOf, end, nodeNamed, start } from "./components.ts";
import { down } from "./down.ts";
import { ensureToolsImage, TOOLS_IMAGE } from "./image/images.ts";
import { loadImages } from "./images.ts";
import { takeLock } from "./lock.ts";
import { enterCommand, killNode } from "./node/node.ts";
import { partition } from "./partition.ts";
import { checkRoot } from "./requirements.ts";
import {
  type ClusterPaths,
  clusterPaths,
  DEFAULT_NAME,
  kubectlEnvironment,
  NAME_PATTERN,
  readSpec,
} from "./spec.ts";
import { statusOf, statusText } from "./status.ts";
import { startNode, type UpOptions, up } from "./up.ts";

/** Exit code of wrong usage, as most programs have it. */
const USAGE = 2;

/** Where the user is: npm runs us in the checkout, and says so. Relative paths are meant from here. */
const CALLED_IN = process.env["INIT_CWD"] ?? process.cwd();

const program = new Command("npm run cluster --")
  .description("A real Kubernetes cluster on this machine, for tests. Needs root.")
  .option("--name <name>", "which cluster, when there are several", clusterName, DEFAULT_NAME)
  .enablePositionalOptions()
  .exitOverride()
  .hook("preAction", () => checkRoot());
const paths = (): ClusterPaths => clusterPaths(program.opts<{ name: string }>().name);

program
  .command("up")
  .description("bring a cluster up; it runs until `down`")
  .option("--nodes <count>", "how many nodes, 1 to 8", nodeCount, 2)
  .addOption(
    new Option("--proxy-mode <mode>", "how kube-proxy writes Services")
      .choices(["nftables", "iptables"])
      .default("nftables"),
  )
  .option("--dual-stack", "IPv4 and IPv6", false)
  .option("--chained", "a chained CNI plugin after the bridge", false)
  .option("--audit", "an API audit log (its path: status -o json)", false)
  .option("--no-images", "leave the images of this checkout (agent, control, echo) out")
  .option("--load <archive>", "a further image archive for all nodes; repeatable", collect, [])
  .action(async (options: UpOptions) => {
    using _lock = await takeLock(paths().name);
    ensurePackages("cluster", say);
    const fresh = await up(paths(), options, say);
    say(fresh ? "up. To use it from this shell:" : "it is up already. To use it from this shell:");
    say(`  export KUBECONFIG=${paths().kubeconfig} PATH=${kubectlFolder()}:$PATH`);
  });

program
  .command("down")
  .description("remove a cluster and everything that it made")
  .action(async () => {
    using _lock = await takeLock(paths().name);
    await down(paths());
  });

program
  .command("status")
  .description("what runs, and where its files are")
  .addOption(
    new Option("-o, --output <form>", "for people, or for programs")
      .choices(["text", "json"])
      .default("text"),
  )
  .action(async ({ output }: { output: string }) => {
    const status = await statusOf(paths());
    console.log(output === "json" ? JSON.stringify(status, undefined, 2) : statusText(status));
  });

program
  .command("kubeconfig")
  .description("path of a kubeconfig for the machine's main network namespace")
  .action(() => {
    readSpec(paths());
    console.log(paths().kubeconfig);
  });

program
  .command("kubectl")
  .description("run kubectl with the cluster's kubeconfig")
  .argument("[args...]")
  .allowUnknownOption()
  .passThroughOptions()
  .helpOption(false)
  .action((args: readonly string[]) => {
    const env = { ...withoutProxies(), ...kubectlEnvironment(paths()) };
    passThrough([join(kubectlFolder(), "kubectl"), ...args], env);
  });

program
  .command("load")
  .description("import image archives into every node")
  .argument("<archives...>")
  .action(async (archives: readonly string[]) => {
    await loadImages(
      paths(),
      readSpec(paths()),
      archives.map((file) => resolve(CALLED_IN, file)),
    );
  });

program
  .command("tools-image")
  .description(`import ${TOOLS_IMAGE} (a shell, curl, ip) into every node`)
  .action(async () => {
    await loadImages(paths(), readSpec(paths()), [ensureToolsImage()]);
  });

const node = program.command("node").description("a node: enter it, cut its power, cut it off");

node
  .command("exec")
  .description("run a command in a node")
  .argument("<node>", "node1 or 1")
  .argument("<command...>")
  .passThroughOptions()
  .action((word: string, command: readonly string[]) => {
    const name = nodeNamed(readSpec(paths()), word);
    passThrough(enterCommand(paths(), name, "exec", command), process.env);
  });

node
  .command("kill")
  .description("cut a node's power")
  .argument("<node>")
  .action(async (word: string) => killNode(paths(), nodeNamed(readSpec(paths()), word)));

node
  .command("start")
  .description("boot a node again from its disk and wait until it is Ready")
  .argument("<node>")
  .action(async (word: string) => startNode(paths(), nodeNamed(readSpec(paths()), word)));

node
  .command("partition")
  .description("cut a node off from everything outside of it, and join it again")
  .argument("<node>")
  .argument("<seconds>", "for how long", seconds)
  .action(async (word: string, time: number) =>
    partition(paths(), nodeNamed(readSpec(paths()), word), time),
  );

const component = program
  .command("component")
  .description(
    "a program: etcd, kube-apiserver, …; or kubelet, containerd, kube-proxy and its node",
  );
for (const verb of ["start", "stop", "kill"] as const)
  component
    .command(verb)
    .argument("<program>")
    .argument("[node]")
    .action(async (name: string, word: string | undefined) => {
      const spec = readSpec(paths());
      const chosen = componentOf(spec, name, word);
      if (verb === "start") start(paths(), spec, chosen);
      else await end(paths(), chosen, verb === "stop" ? "SIGTERM" : "SIGKILL");
    });

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

function kubectlFolder(): string {
  return dirname(readSpec(paths()).programs["kubectl"] ?? "");
}

function report(error: unknown): number {
  // commander has said what was wrong already (or printed the help that was asked for).
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  return 1;
}

/** Runs a command with our standard streams; its exit code becomes ours. */
function passThrough(command: readonly string[], env: NodeJS.ProcessEnv): void {
  const [file = "", ...args] = command;
  const { status, signal, error } = spawnSync(file, args, {
    stdio: "inherit",
    env,
    cwd: CALLED_IN,
  });
  if (error !== undefined) throw error;
  if (signal !== null) console.error(`${file} ended by ${signal}`);
  process.exitCode = status ?? 1;
}

/** The cluster is reached directly, whatever proxy the machine uses for the rest of the world. */
function withoutProxies(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(?:https?|all)_proxy$/i.test(name)),
  );
}

function say(line: string): void {
  console.error(line);
}

function collect(value: string, all: readonly string[]): readonly string[] {
  return [...all, resolve(CALLED_IN, value)];
}

function clusterName(text: string): string {
  if (!NAME_PATTERN.test(text))
    throw new InvalidArgumentError("must be lower-case letters, digits and dashes, at most 31");
  return text;
}

function nodeCount(text: string): number {
  if (!/^[1-8]$/.test(text)) throw new InvalidArgumentError("must be 1 to 8");
  return Number(text);
}

function seconds(text: string): number {
  if (!/^\d{1,4}$/.test(text) || Number(text) < 1)
    throw new InvalidArgumentError("must be whole seconds, 1 to 9999");
  return Number(text);
}
