/**
 * Reads what `nodemesh status` tells from: the whole cluster, and where the user may not look at that, the namespace
 * that was asked for. What could not be seen is a fact too; only pods that can't be listed leave nothing to tell.
 */

import { decodeItem } from "../../k8s/lean.ts";
import { RESOURCES, type Resource } from "../../k8s/resources.ts";
import {
  type Api,
  type ApiAnswer,
  failureText,
  isForbidden,
  listField,
  listItemsIfAllowed,
  textField,
} from "../cluster.ts";
import { mapSome } from "../map-some.ts";
import { askAgent, askControl, isReady, meshPodsIfAllowed } from "../mesh-facts.ts";
import type { StatusFacts, StatusQuestion, Unseen } from "./report.ts";

/** Kinds whose objects decide who is enrolled. */
const READ = ["namespaces", "services", "pods", "endpointslices", "servicemeshes"];

const OTHERS: Unseen = {
  what: "other namespaces",
  effect: "an address that something there claims too is not noticed",
};
const NODES: Unseen = { what: "nodes", effect: "those without an agent are not listed" };

/** Asks for all of it. Rejects with an Error for the operator when no pod can be listed or nothing answers. */
export async function gather(api: Api, question: StatusQuestion): Promise<StatusFacts> {
  const { namespace, meshNamespace } = question;
  const resources = RESOURCES.filter(({ name }) => READ.includes(name));
  const [lists, selected, nodes, controlPods, agentPods] = await Promise.all([
    Promise.all(resources.map((resource) => readAll(api, resource, namespace))),
    readSelected(api, question),
    listItemsIfAllowed(api, "/api/v1/nodes"),
    meshPodsIfAllowed(api, meshNamespace, "control"),
    meshPodsIfAllowed(api, meshNamespace, "agent"),
  ]);
  const [control, agents] = await Promise.all([
    mapSome(controlPods ?? [], async (pod) => ({
      pod,
      page: await askControl(api, meshNamespace, pod),
    })),
    mapSome(agentPods ?? [], async (pod) => ({
      pod,
      page: await askAgent(api, meshNamespace, pod),
    })),
  ]);
  const meshSeen = controlPods !== undefined && agentPods !== undefined;
  const unseen = [
    ...(lists.some(({ own }) => own === true) ? [OTHERS] : []),
    ...lists.flatMap((list) => list.unseen ?? []),
    ...(nodes === undefined && meshSeen ? [NODES] : []),
    ...(meshSeen ? [] : [meshUnseen(meshNamespace)]),
  ];
  return {
    ...factsOf(lists),
    nodes:
      nodes?.map((node) => textField(node, "metadata", "name")) ??
      (agentPods ?? []).map(({ node }) => node),
    control,
    agents,
    selected,
    meshSeen,
    unseen,
  };
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
  /** Only the namespace that was asked for was read. */
  readonly own?: boolean;
  /** Not even that. */
  readonly unseen?: Unseen;
}

async function readAll(
  api: Api,
  resource: Resource,
  namespace: string | undefined,
): Promise<Listed> {
  const answer = await api.get(resource.path);
  if (answer.kind === "ok") return { resource, items: listField(answer.body, "items") };
  if (isAbsent(resource, answer)) return { resource, items: [] };
  if (!isForbidden(answer) || namespace === undefined)
    throw new Error(failureText(`list ${resource.name}`, api, answer));
  return readOwn(api, resource, namespace);
}

async function readOwn(api: Api, resource: Resource, namespace: string): Promise<Listed> {
  const single = resource.name === "namespaces";
  const answer = await api.get(
    single ? `${resource.path}/${namespace}` : inNamespace(resource.path, namespace),
  );
  if (answer.kind === "ok")
    return { resource, own: true, items: single ? [answer.body] : listField(answer.body, "items") };
  if (isAbsent(resource, answer) || (single && answer.kind === "refused" && answer.status === 404))
    return { resource, own: true, items: [] };
  if (!isForbidden(answer) || resource.name === "pods")
    throw new Error(failureText(`list ${resource.name} in namespace ${namespace}`, api, answer));
  return { resource, own: true, items: [], unseen: unseenOf(resource, namespace) };
}

function unseenOf({ name }: Resource, namespace: string): Unseen {
  return name === "namespaces"
    ? { what: `namespace/${namespace}`, effect: "pods that it enrols are shown as not enrolled" }
    : {
        what: `${name} of namespace ${namespace}`,
        effect: "pods that a ServiceMesh enrols are shown as not enrolled",
      };
}

function meshUnseen(namespace: string): Unseen {
  return {
    what: `pods of namespace ${namespace}`,
    effect: "how control and the agents are, and which way traffic goes, is not known",
  };
}

/** The API server reads the selector: it knows the whole grammar. */
async function readSelected(
  api: Api,
  { namespace, selector }: StatusQuestion,
): Promise<ReadonlySet<string> | undefined> {
  if (selector === undefined) return undefined;
  const all = "/api/v1/pods";
  const path = namespace === undefined ? all : inNamespace(all, namespace);
  const answer = await api.get(`${path}?labelSelector=${encodeURIComponent(selector)}`);
  if (answer.kind !== "ok")
    throw new Error(failureText(`list pods by --selector ${selector}`, api, answer));
  return new Set(listField(answer.body, "items").map((pod) => textField(pod, "metadata", "uid")));
}

/** Path of a collection in one namespace. */
function inNamespace(path: string, namespace: string): string {
  const at = path.lastIndexOf("/");
  return `${path.slice(0, at)}/namespaces/${namespace}${path.slice(at)}`;
}

function isAbsent({ optional }: Resource, answer: ApiAnswer): boolean {
  return optional && answer.kind === "refused" && answer.status === 404;
}
