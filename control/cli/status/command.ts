/** `nodemesh status`: nodes, agents, and which pods are in the mesh. */

import type { Command } from "commander";
import { decodeItem } from "../../k8s/lean.ts";
import { RESOURCES, type Resource } from "../../k8s/resources.ts";
import { type Api, ClusterApi, failureText, listField, listItems, textField } from "../cluster.ts";
import {
  addClusterOptions,
  type CliContext,
  type ClusterOptions,
  chooseKubeConfig,
  outputOption,
} from "../context.ts";
import { mapSome } from "../map-some.ts";
import { askAgent, askControl, isReady, meshPods } from "../mesh-facts.ts";
import { statusLines } from "./lines.ts";
import { type StatusFacts, statusProblem, statusReport } from "./report.ts";

interface StatusOptions extends ClusterOptions {
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly meshNamespace: string;
  readonly output: string;
}

/** Adds the command. */
export function addStatus(program: Command, context: CliContext): void {
  const command = program
    .command("status")
    .description("nodes, agents, and pods: enrolled or why not, and where their traffic goes")
    .option("-n, --namespace <name>", "pods of this namespace (default: of the context)")
    .option("-A, --all-namespaces", "pods of all namespaces")
    .option("--mesh-namespace <name>", "namespace of nodemesh", "nodemesh")
    .addOption(outputOption());
  addClusterOptions(command).action(async (options: StatusOptions) => {
    const config = chooseKubeConfig(options, context);
    await using api = new ClusterApi(config);
    const here = config.getContextObject(config.getCurrentContext())?.namespace ?? "default";
    const namespace = options.allNamespaces === true ? undefined : (options.namespace ?? here);
    const { meshNamespace } = options;
    const facts = await gather(api, meshNamespace);
    const problem = statusProblem(facts, { namespace, meshNamespace });
    if (problem !== undefined) throw new Error(problem);
    const report = statusReport(facts, namespace);
    if (options.output === "json") context.out(JSON.stringify(report, null, 2));
    else for (const line of statusLines(report)) context.out(line);
  });
}

/** Kinds whose objects decide who is enrolled. */
const READ = ["namespaces", "services", "pods", "endpointslices", "servicemeshes"];

async function gather(api: Api, namespace: string): Promise<StatusFacts> {
  const resources = RESOURCES.filter(({ name }) => READ.includes(name));
  const [lists, nodes, controlPods, agentPods] = await Promise.all([
    Promise.all(resources.map((resource) => readAll(api, resource))),
    listItems(api, "/api/v1/nodes"),
    meshPods(api, namespace, "control"),
    meshPods(api, namespace, "agent"),
  ]);
  const [control, agents] = await Promise.all([
    mapSome(controlPods, async (pod) => ({
      pod,
      page: await askControl(api, namespace, pod),
    })),
    mapSome(agentPods, async (pod) => ({ pod, page: await askAgent(api, namespace, pod) })),
  ]);
  const names = nodes.map((node) => textField(node, "metadata", "name"));
  return { ...factsOf(lists), nodes: names, control, agents };
}

/** What the lists say, each with its kind. */
export function factsOf(lists: readonly Listed[]): Pick<StatusFacts, "objects" | "readyPods"> {
  const pods = lists.filter(({ resource }) => resource.name === "pods").flatMap((of) => of.items);
  return {
    objects: lists.flatMap(({ resource, items }) =>
      items.flatMap((item) => decodeItem(item, resource)),
    ),
    readyPods: new Set(pods.filter(isReady).map((pod) => textField(pod, "metadata", "uid"))),
  };
}

/** Objects of a kind as the API gives them. */
export interface Listed {
  readonly resource: Resource;
  readonly items: readonly unknown[];
}

async function readAll(api: Api, resource: Resource): Promise<Listed> {
  const answer = await api.get(resource.path);
  if (answer.kind === "ok") return { resource, items: listField(answer.body, "items") };
  if (resource.optional && answer.kind === "refused" && answer.status === 404)
    return { resource, items: [] };
  throw new Error(failureText(`list ${resource.name}`, api, answer));
}
