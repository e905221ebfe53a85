/** Gathers what `check --pre` decides by: the API server, permissions, nodes, their clocks, what else redirects. */

import type { Manifest } from "../../../deploy/manifests/meta.ts";
import { installObjects } from "../../../deploy/manifests/objects.ts";
import { parseOptions } from "../../../deploy/manifests/options.ts";
import { type Api, type ApiAnswer, field, listField, listItems, textField } from "../cluster.ts";
import { mapSome } from "../map-some.ts";
import { isReady, readyTurned } from "../mesh-facts.ts";
import { applyRights, type Grant, grants, type Right } from "./rights.ts";

/** A node as the API server knows it. */
export interface NodeFacts {
  readonly name: string;
  readonly ready: boolean;
  /** When it last became ready, or ceased to be; RFC 3339, empty: never. */
  readonly turned: string;
  readonly os: string;
  readonly architecture: string;
  readonly kernel: string;
  readonly runtime: string;
  readonly podCIDRs: readonly string[];
  /** When its kubelet last renewed its Lease, by the node's clock; undefined: it has none. */
  readonly renewed: Date | undefined;
}

/** Something that runs on every node, by its DaemonSet. */
export interface DaemonSetFacts {
  readonly name: string;
  readonly namespace: string;
  readonly images: readonly string[];
}

/** Whether the user has a right. */
export interface PermissionFacts {
  readonly right: Right;
  /** A text: the question itself failed. */
  readonly allowed: boolean | string;
}

/** Whether the user may make a role or a binding. */
export interface GrantFacts {
  readonly grant: Grant;
  /** Rights that the user can't give away; none: all is well. */
  readonly lacking: readonly PermissionFacts[];
}

/** Everything `check --pre` knows. */
export interface PreFacts {
  readonly server: string;
  readonly namespace: string;
  readonly version: ApiAnswer;
  /** The API server's clock as of its answer (whole seconds); undefined: no Date header. */
  readonly serverTime: Date | undefined;
  /** This machine's clock, half-way between question and answer. */
  readonly ownTime: Date;
  readonly permissions: readonly PermissionFacts[];
  readonly grants: readonly GrantFacts[];
  /** A text: why the nodes can't be listed. */
  readonly nodes: readonly NodeFacts[] | string;
  /** Why the nodes' Leases, and with them their clocks, can't be read; undefined: they were. */
  readonly leaseProblem: string | undefined;
  readonly daemonSets: readonly DaemonSetFacts[] | string;
  /** Objects of the whole cluster, as `kubectl delete` takes them, that an installation made and are there. */
  readonly wideObjects: readonly string[];
  /** Labels of the namespace; undefined when it does not exist yet. */
  readonly namespaceLabels: Readonly<Record<string, unknown>> | undefined;
}

/** Asks for all of it. Never rejects for an API that is away: that is a fact too. */
export async function gatherPreFacts(
  api: Api,
  namespace: string,
  now: () => Date,
): Promise<PreFacts> {
  const before = now().getTime();
  const version = await api.get("/version");
  const ownTime = new Date((before + now().getTime()) / 2);
  const common = { server: api.server, namespace, version, ownTime };
  if (version.kind !== "ok")
    return {
      ...common,
      serverTime: undefined,
      permissions: [],
      grants: [],
      leaseProblem: undefined,
      nodes: "not asked",
      daemonSets: "not asked",
      wideObjects: [],
      namespaceLabels: undefined,
    };
  const objects = installObjects(parseOptions({ namespace }));
  const leases = await orProblem(
    listItems(api, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"),
  );
  const [permissions, granted, nodes, daemonSets, existing, wideObjects] = await Promise.all([
    mapSome(applyRights(objects), (right) => askRight(api, right)),
    mapSome(grants(objects), (grant) => askGrant(api, grant)),
    orProblem(gatherNodes(api, typeof leases === "string" ? [] : leases)),
    orProblem(gatherDaemonSets(api)),
    api.get(`/api/v1/namespaces/${namespace}`),
    gatherWideObjects(api, objects),
  ]);
  const labels = existing.kind === "ok" ? field(existing.body, "metadata", "labels") : undefined;
  return {
    ...common,
    serverTime: timeOf(version.headers["date"] ?? ""),
    permissions,
    grants: granted,
    nodes,
    leaseProblem: typeof leases === "string" ? leases : undefined,
    daemonSets,
    wideObjects,
    namespaceLabels: typeof labels === "object" && labels !== null ? { ...labels } : undefined,
  };
}

async function askRight(api: Api, right: Right): Promise<PermissionFacts> {
  const answer = await api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    spec: { resourceAttributes: right },
  });
  if (answer.kind !== "ok") return { right, allowed: answer.problem };
  return { right, allowed: field(answer.body, "status", "allowed") === true };
}

async function askGrant(api: Api, grant: Grant): Promise<GrantFacts> {
  const { allowed } = await askRight(api, grant.enough);
  if (allowed === true) return { grant, lacking: [] };
  const given = await mapSome(grant.given, (right) => askRight(api, right));
  return { grant, lacking: given.filter((one) => one.allowed !== true) };
}

async function gatherNodes(api: Api, leases: readonly unknown[]): Promise<readonly NodeFacts[]> {
  const nodes = await listItems(api, "/api/v1/nodes");
  const renewed = new Map(
    leases.map((lease) => [
      textField(lease, "metadata", "name"),
      timeOf(textField(lease, "spec", "renewTime")),
    ]),
  );
  return nodes.map((node) => nodeFacts(node, renewed));
}

function nodeFacts(node: unknown, renewed: ReadonlyMap<string, Date | undefined>): NodeFacts {
  const name = textField(node, "metadata", "name");
  const info = field(node, "status", "nodeInfo");
  return {
    name,
    ready: isReady(node),
    turned: readyTurned(node),
    os: textField(info, "operatingSystem"),
    architecture: textField(info, "architecture"),
    kernel: textField(info, "kernelVersion"),
    runtime: textField(info, "containerRuntimeVersion"),
    podCIDRs: listField(node, "spec", "podCIDRs").map(String),
    renewed: renewed.get(name),
  };
}

/** Kinds without a namespace: they stay when the mesh's namespace is deleted. */
const WIDE: Readonly<Record<string, string>> = {
  CustomResourceDefinition: "customresourcedefinitions",
  ClusterRole: "clusterroles",
  ClusterRoleBinding: "clusterrolebindings",
};

/** What can't be read is not named: whoever lacks that permission is told so by another line. */
async function gatherWideObjects(
  api: Api,
  objects: readonly Manifest[],
): Promise<readonly string[]> {
  const asked = await mapSome(objects, async ({ apiVersion, kind, metadata: { name } }) => {
    const collection = WIDE[kind];
    if (collection === undefined) return [];
    const answer = await api.get(`/apis/${apiVersion}/${collection}/${name}`);
    return answer.kind === "ok" ? [`${kind.toLowerCase()}/${name}`] : [];
  });
  return asked.flat();
}

async function gatherDaemonSets(api: Api): Promise<readonly DaemonSetFacts[]> {
  const items = await listItems(api, "/apis/apps/v1/daemonsets");
  return items.map((item) => ({
    name: textField(item, "metadata", "name"),
    namespace: textField(item, "metadata", "namespace"),
    images: listField(item, "spec", "template", "spec", "containers").map((one) =>
      textField(one, "image"),
    ),
  }));
}

function orProblem<T>(asked: Promise<T>): Promise<T | string> {
  return asked.catch((cause: unknown) => (cause instanceof Error ? cause.message : String(cause)));
}

function timeOf(text: string): Date | undefined {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? undefined : time;
}
