/** What every command of the cluster shares: the process's doors, the options that name a cluster, the way there. */

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node";
import { type Command, Option } from "commander";
import { loadKubeConfigFiles } from "../k8s/kubeconfig.ts";
import { jsonText, yamlText } from "./formats.ts";

/** What the process gives to commands. */
export interface CliContext {
  readonly out: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => Date;
  /** Colours a text of the output: on a terminal that has colours, unless NO_COLOR says otherwise. */
  readonly paint: Paint;
  /** Sets the exit code for a command that has done its work and found something failing. */
  readonly fail: () => void;
}

/** Gives a text a colour, or leaves it as it is. */
export type Paint = (colour: "green" | "yellow" | "red", text: string) => string;

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
    .choices(["table", "json", "yaml"])
    .default("table");
}

/** A value for programs in the format that `-o` names; undefined: for people, each command in its own way. */
export function formatted(value: unknown, format: string): string | undefined {
  if (format === "json") return jsonText(value);
  // Through JSON: what it leaves out has no place in YAML either, and nothing becomes an anchor.
  if (format === "yaml") return yamlText(JSON.parse(JSON.stringify(value)));
  return undefined;
}

/** The kubeconfig that the options and the environment name. Throws an Error for the operator. */
export function chooseKubeConfig(options: ClusterOptions, { env }: CliContext): KubeConfig {
  return loadKubeConfigFiles(kubeconfigFiles(options.kubeconfig, env), options.context);
}

function kubeconfigFiles(file: string | undefined, env: CliContext["env"]): readonly string[] {
  if (file !== undefined) return [file];
  const listed = env["KUBECONFIG"]?.split(delimiter).filter((path) => path !== "") ?? [];
  const there = listed.filter((path) => existsSync(path));
  if (there.length > 0) return there;
  const home = join(env["HOME"] ?? homedir(), ".kube", "config");
  if (listed.length === 0 && existsSync(home)) return [home];
  const tried = listed.length > 0 ? `$KUBECONFIG (${listed.join(", ")})` : home;
  throw new Error(
    `no kubeconfig: there is no file at ${tried}; give --kubeconfig FILE or set KUBECONFIG`,
  );
}
