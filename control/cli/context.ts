/** What every command of the cluster shares: the process's doors, the options that name a cluster, the way there. */

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { type Command, Option } from "commander";
import { loadKubeConfig } from "../k8s/kubeconfig.ts";

/** What the process gives to commands. */
export interface CliContext {
  readonly out: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  /** Sets the exit code for a command that has done its work and found something failing. */
  readonly fail: () => void;
}

/** Options of a command that talks to a cluster. */
export interface ClusterOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** Adds `--kubeconfig` and `--context`. */
export function addClusterOptions(command: Command): Command {
  return command
    .option("--kubeconfig <file>", "kubeconfig file (default: $KUBECONFIG, then ~/.kube/config)")
    .option("--context <name>", "context of the kubeconfig");
}

/** `-o`, the same for every command. */
export function outputOption(): Option {
  return new Option("-o, --output <format>", "output format")
    .choices(["table", "json"])
    .default("table");
}

/** The kubeconfig that the options and the environment name. Throws an Error for the operator. */
export function chooseKubeConfig(options: ClusterOptions, { env }: CliContext): KubeConfig {
  const config = mergedConfig(kubeconfigFiles(options.kubeconfig, env));
  if (options.context === undefined) return config;
  if (config.getContextObject(options.context) === null)
    throw new Error(
      `--context ${options.context}: the kubeconfig has no such context; it has ${
        config.contexts.map(({ name }) => name).join(", ") || "none"
      }`,
    );
  config.setCurrentContext(options.context);
  return config;
}

function kubeconfigFiles(
  file: string | undefined,
  env: CliContext["env"],
): readonly [string, ...string[]] {
  if (file !== undefined) return [file];
  const listed = env["KUBECONFIG"]?.split(delimiter).filter((path) => path !== "") ?? [];
  const [first, ...others] = listed.filter((path) => existsSync(path));
  if (first !== undefined) return [first, ...others];
  const home = join(env["HOME"] ?? homedir(), ".kube", "config");
  if (listed.length === 0 && existsSync(home)) return [home];
  const tried = listed.length > 0 ? `$KUBECONFIG (${listed.join(", ")})` : home;
  throw new Error(
    `no kubeconfig: there is no file at ${tried}; give --kubeconfig FILE or set KUBECONFIG`,
  );
}

function mergedConfig([first, ...others]: readonly [string, ...string[]]): KubeConfig {
  const config = loadKubeConfig(first);
  for (const file of others) {
    const other = new KubeConfig();
    other.loadFromFile(file);
    config.mergeConfig(other, true);
  }
  return config;
}
