/** Gathers what `check --pre` decides by: the API server, permissions, nodes, their clocks, what else redirects. */

import { type Api, type ApiAnswer, field, listField, listItems, textField } from "../cluster.ts";
import { INSTALLED_KINDS, type InstalledKind } from "./kinds.ts";

/** A node as the API server knows it. */
export interface NodeFacts {
  readonly name: string;
  readonly ready: boolean;
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

/** Whether the user may make one kind of object. */
export interface PermissionFacts {
  readonly kind: InstalledKind;
  /** A text: the question itself failed. */
  readonly allowed: boolean | string;
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
  /** A text: why the nodes can't be listed. */
  readonly nodes: readonly NodeFacts[] | string;
  readonly daemonSets: readonly DaemonSetFacts[] | string;
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
      nodes: "not asked",
      daemonSets: "not asked",
      namespaceLabels: undefined,
    };
  const [permissions, nodes, daemonSets, existing] = await Promise.all([
    Promise.all(INSTALLED_KINDS.map((kind) => askPermission(api, namespace, kind))),
    orProblem(gatherNodes(api)),
    orProblem(gatherDaemonSets(api)),
    api.get(`/api/v1/namespaces/${namespace}`),
  ]);
  const labels = existing.kind === "ok" ? field(existing.body, "metadata", "labels") : undefined;
  return {
    ...common,
    serverTime: timeOf(version.headers["date"] ?? ""),
    permissions,
    nodes,
    daemonSets,
    namespaceLabels: typeof labels === "object" && labels !== null ? { ...labels } : undefined,
  };
}

async function askPermission(
  api: Api,
  namespace: string,
  kind: InstalledKind,
): Promise<PermissionFacts> {
  const { group, resource, namespaced } = kind;
  const answer = await api.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    spec: {
      resourceAttributes: { group, resource, verb: "create", ...(namespaced && { namespace }) },
    },
  });
  if (answer.kind !== "ok") return { kind, allowed: answer.problem };
  return { kind, allowed: field(answer.body, "status", "allowed") === true };
}

async function gatherNodes(api: Api): Promise<readonly NodeFacts[]> {
  const nodes = await listItems(api, "/api/v1/nodes");
  const leases = await orProblem(
    listItems(api, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"),
  );
  const renewed = new Map(
    typeof leases === "string"
      ? []
      : leases.map((lease) => [
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
    ready: listField(node, "status", "conditions").some(
      (one) => textField(one, "type") === "Ready" && textField(one, "status") === "True",
    ),
    os: textField(info, "operatingSystem"),
    architecture: textField(info, "architecture"),
    kernel: textField(info, "kernelVersion"),
    runtime: textField(info, "containerRuntimeVersion"),
    podCIDRs: listField(node, "spec", "podCIDRs").map(String),
    renewed: renewed.get(name),
  };
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
