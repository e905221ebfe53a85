/** Whether a cluster knows the Prometheus operator's kinds: without them, what is printed could not be applied. */

import type { Manifest } from "../../deploy/manifests/meta.ts";
import { OPERATOR_KINDS } from "../../deploy/manifests/monitoring.ts";
import { type Api, ClusterApi, failureText, listField, textField } from "./cluster.ts";
import { type CliContext, type ClusterOptions, chooseKubeConfig } from "./context.ts";

/** What an API server says of them. */
export type OperatorSight =
  | { readonly kind: "asked"; readonly server: string; readonly served: ReadonlySet<string> }
  /** Nobody could be asked, for example where manifests are made for a cluster elsewhere. */
  | { readonly kind: "unknown"; readonly why: string };

const PATH = "/apis/monitoring.coreos.com/v1";

/** Asks an API server which kinds of the operator it serves. */
export async function seeOperator(api: Api): Promise<OperatorSight> {
  const answer = await api.get(PATH);
  if (answer.kind === "ok") {
    const kinds = listField(answer.body, "resources").map((one) => textField(one, "kind"));
    return { kind: "asked", server: api.server, served: new Set(kinds) };
  }
  if (answer.kind === "refused" && answer.status === 404)
    return { kind: "asked", server: api.server, served: new Set() };
  return { kind: "unknown", why: failureText(`GET ${PATH}`, api, answer) };
}

/** Asks the cluster that the flags and the environment name, if they name one. */
export async function seeOperatorOf(
  flags: ClusterOptions,
  context: CliContext,
): Promise<OperatorSight> {
  try {
    await using api = new ClusterApi(chooseKubeConfig(flags, context));
    return await seeOperator(api);
  } catch (cause) {
    return { kind: "unknown", why: cause instanceof Error ? cause.message : String(cause) };
  }
}

/** Whether objects are among these that only a cluster with the operator knows. */
export function needsOperator(objects: readonly Manifest[]): boolean {
  return objects.some(({ kind }) => isOperators(kind));
}

/** Whether a kind is the operator's. */
export function isOperators(kind: string): boolean {
  return Object.hasOwn(OPERATOR_KINDS, kind);
}

/**
 * Throws an Error for the operator when a kind is known to be missing; gives a warning when that is not known, and
 * undefined when all is there.
 */
export function assertServed(
  objects: readonly Manifest[],
  sight: OperatorSight,
): string | undefined {
  const wanted = [...new Set(objects.map(({ kind }) => kind))].filter(isOperators);
  if (wanted.length === 0) return undefined;
  if (sight.kind === "unknown")
    return `warning: whether the cluster knows ${wanted.join(" and ")} was not seen: ${sight.why}`;
  const missing = wanted.filter((kind) => !sight.served.has(kind));
  if (missing.length === 0) return undefined;
  const options = missing.map((kind) => `--set ${OPERATOR_KINDS[kind]}=false`).join(" ");
  throw new Error(
    `${sight.server} does not know ${missing.join(" and ")}: install the Prometheus operator there first (kubectl get crd shows podmonitors.monitoring.coreos.com then), or go without (${options}): any Prometheus may follow the pods' prometheus.io annotations`,
  );
}
