/** `nodemesh upgrade`: what to apply, as install prints it, and what that is going to change. */

import type { Command } from "commander";
import { z } from "zod";
import type { Manifest } from "../../../deploy/manifests/meta.ts";
import { CHOSEN, installObjects } from "../../../deploy/manifests/objects.ts";
import { type Api, ClusterApi, failureText, field, listItems, textField } from "../cluster.ts";
import {
  addClusterOptions,
  type CliContext,
  type ClusterOptions,
  chooseKubeConfig,
} from "../context.ts";
import { type Flags, optionsHelp, optionsOf, yamlOf } from "../install.ts";
import { assertServed, isOperators, seeOperator } from "../operator.ts";
import { addChoiceOptions, type ChoiceFlags, chosenWords } from "../values.ts";
import { changeLines, changesOf, type ObjectChange } from "./changes.ts";

/**
 * Collections by kind: everything that an installation consists of. A kind that no version makes any more stays
 * here, so that what an old one made is found.
 */
const PATHS: Readonly<Record<string, string>> = {
  Namespace: "/api/v1/namespaces",
  CustomResourceDefinition: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
  ConfigMap: "/api/v1/namespaces/*/configmaps",
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
  PodMonitor: "/apis/monitoring.coreos.com/v1/namespaces/*/podmonitors",
  PrometheusRule: "/apis/monitoring.coreos.com/v1/namespaces/*/prometheusrules",
};

/** The label that all objects of every version have. */
const OURS = "?labelSelector=app.kubernetes.io%2Fpart-of%3Dnodemesh";
/** Helm writes the release's name on everything that it makes. */
const RELEASE = "meta.helm.sh/release-name";

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
    .addHelpText("after", optionsHelp());
  addChoiceOptions(command, "an option; those of the installation are kept");
  addClusterOptions(command).action(async (flags: UpgradeFlags) => {
    await using api = new ClusterApi(chooseKubeConfig(flags, context));
    const { objects, told } = await planUpgrade(api, {
      namespace: flags.namespace,
      set: chosenWords(flags),
    });
    for (const line of told) tell(line);
    context.out(yamlOf(objects));
  });
}

interface UpgradeFlags extends ChoiceFlags, ClusterOptions {
  readonly namespace: string;
}

/** What an upgrade applies, and what is said of it. */
export interface UpgradePlan {
  readonly objects: readonly Manifest[];
  /** Lines for people. */
  readonly told: readonly string[];
}

/** Compares the cluster with what is to be. Throws an Error for the operator. */
export async function planUpgrade(api: Api, { namespace, set }: Flags): Promise<UpgradePlan> {
  const kept = keptOptions(await liveObject(api, namespaceOf(namespace)), namespace);
  const chosen = mergeChosen(kept ?? [], set);
  const objects = installObjects(optionsOf({ namespace, set: chosen }), chosen);
  const sight = await seeOperator(api);
  if (sight.kind === "unknown") throw new Error(sight.why);
  assertServed(objects, sight);
  const changes: ObjectChange[] = [];
  let release: unknown;
  for (const object of objects) {
    const live = await liveObject(api, object);
    release ??= field(live, "metadata", "annotations", RELEASE);
    changes.push(changesOf(titleOf(object), object, live));
  }
  changes.push(...(await unwanted(api, objects, namespace, sight.served)));
  return {
    objects,
    told: [
      ...(kept === undefined ? [withoutOptions(namespace, release)] : []),
      ...(kept ?? []).map((word) => `kept: --set ${word}`),
      ...changeLines(changes),
    ],
  };
}

/** Nobody knows with which options it was installed. */
function withoutOptions(namespace: string, release: unknown): string {
  if (typeof release === "string")
    return `warning: Helm has installed this (release ${release}); upgrade it by: helm upgrade ${release} deploy/helm -n ${namespace} --reset-then-reuse-values. What is printed here has the default of every option without --set`;
  return `warning: namespace ${namespace} has no annotation ${CHOSEN}: with which options it was installed is not known. What is printed here has the default of every option without --set`;
}

/** Objects of an older version that this one does not have. Never a namespace: who knows what else is in it. */
async function unwanted(
  api: Api,
  objects: readonly Manifest[],
  namespace: string,
  served: ReadonlySet<string>,
): Promise<readonly ObjectChange[]> {
  const wanted = new Set(objects.map(titleOf));
  const removed: ObjectChange[] = [];
  for (const [kind, collection] of Object.entries(PATHS)) {
    if (kind === "Namespace" || (isOperators(kind) && !served.has(kind))) continue;
    const where = collection.includes("*") ? `-n ${namespace} ` : "";
    for (const item of await listItems(api, `${collection.replace("*", namespace)}${OURS}`)) {
      const name = textField(item, "metadata", "name");
      const object = `${kind.toLowerCase()}/${name}`;
      const command = `kubectl ${where}delete ${kind.toLowerCase()} ${name}`;
      if (!wanted.has(object)) removed.push({ kind: "removed", object, command });
    }
  }
  return removed;
}

/** The words of --set that an upgrade goes by: new ones replace those of the same option. */
export function mergeChosen(kept: readonly string[], set: readonly string[]): readonly string[] {
  const keyOf = (word: string): string => word.slice(0, word.indexOf("="));
  const replaced = new Set(set.map(keyOf));
  return [...kept.filter((word) => !replaced.has(keyOf(word))), ...set];
}

/** What the namespace says of the installation, if it does. Throws with a next step when nothing is installed there. */
function keptOptions(live: unknown, namespace: string): readonly string[] | undefined {
  const text = field(live, "metadata", "annotations", CHOSEN);
  if (live === undefined)
    throw new Error(`namespace ${namespace} does not exist: nodemesh install | kubectl apply -f -`);
  if (text === undefined) return undefined;
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
