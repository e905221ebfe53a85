/** `nodemesh upgrade`: what to apply, as install prints it, and what that is going to change. */

import type { Command } from "commander";
import { z } from "zod";
import type { Manifest } from "../../../deploy/manifests/meta.ts";
import { CHOSEN, installObjects } from "../../../deploy/manifests/objects.ts";
import { type Api, ClusterApi, failureText, field } from "../cluster.ts";
import {
  addClusterOptions,
  type CliContext,
  type ClusterOptions,
  chooseKubeConfig,
} from "../context.ts";
import { type Flags, optionsHelp, optionsOf, yamlOf } from "../install.ts";
import { changeLines, changesOf, type ObjectChange } from "./changes.ts";

/** Collections by kind: everything that an installation consists of. */
const PATHS: Readonly<Record<string, string>> = {
  Namespace: "/api/v1/namespaces",
  CustomResourceDefinition: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
  ResourceQuota: "/api/v1/namespaces/*/resourcequotas",
  ClusterRole: "/apis/rbac.authorization.k8s.io/v1/clusterroles",
  ClusterRoleBinding: "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
  ServiceAccount: "/api/v1/namespaces/*/serviceaccounts",
  Role: "/apis/rbac.authorization.k8s.io/v1/namespaces/*/roles",
  RoleBinding: "/apis/rbac.authorization.k8s.io/v1/namespaces/*/rolebindings",
  Service: "/api/v1/namespaces/*/services",
  PodDisruptionBudget: "/apis/policy/v1/namespaces/*/poddisruptionbudgets",
  Deployment: "/apis/apps/v1/namespaces/*/deployments",
  DaemonSet: "/apis/apps/v1/namespaces/*/daemonsets",
};

/** Adds the command. `tell` gets what is for people, beside the manifests. */
export function addUpgrade(
  program: Command,
  context: CliContext,
  tell: (line: string) => void,
): void {
  const command = program
    .command("upgrade")
    .description(
      "print what to apply, and on standard error what it changes: nodemesh upgrade | kubectl apply -f -",
    )
    .option("-n, --namespace <name>", "where the mesh runs", "nodemesh")
    .option("--set <key=value...>", "an option; those of the installation are kept", [])
    .addHelpText("after", optionsHelp());
  addClusterOptions(command).action(async (flags: Flags & ClusterOptions) => {
    await using api = new ClusterApi(chooseKubeConfig(flags, context));
    const kept = keptOptions(await liveObject(api, namespaceOf(flags.namespace)), flags.namespace);
    const chosen = mergeChosen(kept, flags.set);
    const objects = installObjects(optionsOf({ namespace: flags.namespace, set: chosen }), chosen);
    const changes: ObjectChange[] = [];
    for (const object of objects)
      changes.push(changesOf(titleOf(object), object, await liveObject(api, object)));
    for (const word of kept) tell(`kept: --set ${word}`);
    for (const line of changeLines(changes)) tell(line);
    context.out(yamlOf(objects));
  });
}

/** The words of --set that an upgrade goes by: new ones replace those of the same option. */
export function mergeChosen(kept: readonly string[], set: readonly string[]): readonly string[] {
  const keyOf = (word: string): string => word.slice(0, word.indexOf("="));
  const replaced = new Set(set.map(keyOf));
  return [...kept.filter((word) => !replaced.has(keyOf(word))), ...set];
}

/** What the namespace says of the installation. Throws with a next step when nothing is installed there. */
function keptOptions(live: unknown, namespace: string): readonly string[] {
  const text = field(live, "metadata", "annotations", CHOSEN);
  if (live === undefined)
    throw new Error(`namespace ${namespace} does not exist: nodemesh install | kubectl apply -f -`);
  if (text === undefined) return [];
  const parsed = z.array(z.string()).safeParse(jsonOf(text));
  if (!parsed.success)
    throw new Error(
      `namespace ${namespace}: annotation ${CHOSEN} is no list of texts; remove it and give the options with --set`,
    );
  return parsed.data;
}

function jsonOf(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

function namespaceOf(name: string): Pick<Manifest, "kind" | "metadata"> {
  return { kind: "Namespace", metadata: { name, labels: {} } };
}

/** The object as the cluster has it; undefined = not there. Throws an Error for the operator. */
async function liveObject(
  api: Api,
  { kind, metadata }: Pick<Manifest, "kind" | "metadata">,
): Promise<unknown> {
  const collection = PATHS[kind]?.replace("*", metadata.namespace ?? "");
  if (collection === undefined) throw new Error(`upgrade knows no path for ${kind}`);
  const path = `${collection}/${metadata.name}`;
  const answer = await api.get(path);
  if (answer.kind === "ok") return answer.body;
  if (answer.kind === "refused" && answer.status === 404) return undefined;
  throw new Error(failureText(`GET ${path}`, api, answer));
}

function titleOf({ kind, metadata }: Manifest): string {
  return `${kind.toLowerCase()}/${metadata.name}`;
}
