/** `nodemesh status`: nodes, agents, and which pods are in the mesh. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { type Api, ClusterApi } from "../cluster.ts";
import {
  addClusterOptions,
  type CliContext,
  type ClusterOptions,
  chooseKubeConfig,
  formatted,
  outputOption,
} from "../context.ts";
import { gather } from "./gather.ts";
import { statusLines } from "./lines.ts";
import {
  type StatusQuestion,
  type StatusReport,
  statusProblem,
  statusReport,
  steadyPart,
} from "./report.ts";

interface StatusOptions extends ClusterOptions {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly watch?: boolean;
  readonly meshNamespace: string;
  readonly output: string;
}

/** Between two looks of --watch: what a look costs the API server is a list of each kind and a page of each agent. */
const LOOK_AGAIN_MS = 2000;

/** Adds the command. `say` gets what is no part of the output. */
export function addStatus(
  program: Command,
  context: CliContext,
  say: (line: string) => void,
): void {
  const command = program
    .command("status")
    .description("nodes, agents, and pods: enrolled or why not, and where their traffic goes")
    .argument("[pods...]", "names of pods (default: all of the namespace)")
    .option("-n, --namespace <name>", "pods of this namespace (default: of the context)")
    .option("-A, --all-namespaces", "pods of all namespaces")
    .option("-l, --selector <labels>", "pods with these labels, as kubectl takes them")
    .option("-w, --watch", "look every 2 s, and show it again whenever something has changed")
    .option("--mesh-namespace <name>", "namespace of nodemesh", "nodemesh")
    .addOption(outputOption());
  addClusterOptions(command).action(async (names: string[], options: StatusOptions) => {
    const config = chooseKubeConfig(options, context);
    await using api = new ClusterApi(config);
    const here = config.getContextObject(config.getCurrentContext())?.namespace ?? "default";
    const question = questionOf(names, options, here);
    const show = (report: StatusReport): void => {
      context.out(formatted(report, options.output) ?? statusLines(report).join("\n"));
    };
    const first = await look(api, question);
    show(first);
    const { watch: watched, output } = options;
    if (watched === true) await watch(api, question, { first, show, say, context, output });
  });
}

function questionOf(
  names: readonly string[],
  { namespace, allNamespaces, selector, meshNamespace }: StatusOptions,
  here: string,
): StatusQuestion {
  if (allNamespaces !== true)
    return { namespace: namespace ?? here, selector, meshNamespace, names };
  if (names.length > 0)
    throw new Error("pods are named within one namespace: give -n NAMESPACE instead of -A");
  return { namespace: undefined, selector, meshNamespace, names };
}

async function look(api: Api, question: StatusQuestion): Promise<StatusReport> {
  const facts = await gather(api, question);
  const problem = statusProblem(facts, question);
  if (problem !== undefined) throw new Error(problem);
  return statusReport(facts, question);
}

interface Watching {
  readonly first: StatusReport;
  readonly show: (report: StatusReport) => void;
  readonly say: (line: string) => void;
  readonly context: CliContext;
  readonly output: string;
}

/** Never ends by itself. A look that fails is told once, and the next one may succeed. */
async function watch(
  api: Api,
  question: StatusQuestion,
  { first, show, say, context, output }: Watching,
): Promise<never> {
  let shown = steadyPart(first);
  for (;;) {
    await sleep(LOOK_AGAIN_MS);
    const seen = await look(api, question).catch((cause: unknown) =>
      cause instanceof Error ? cause.message : String(cause),
    );
    const steady = typeof seen === "string" ? seen : steadyPart(seen);
    if (steady === shown) continue;
    shown = steady;
    // Documents of a YAML stream are told apart by this line alone.
    if (output === "yaml") context.out("---");
    say(`\n${context.now().toISOString()}`);
    if (typeof seen === "string") say(seen);
    else show(seen);
  }
}
