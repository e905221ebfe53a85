/** From whatever a file or an API server holds to typed objects, one verdict each. Never throws. */

import type { z } from "zod";
import {
  type ConfigMap,
  configMap,
  type Namespace,
  type Node,
  namespace,
  node,
  type ServiceAccount,
  serviceAccount,
} from "./cluster.ts";
import { type Controller, controller, type Job, job } from "./controllers.ts";
import { type Pod, pod } from "./pod.ts";
import type { ObjectRef } from "./schema.ts";
import { type EndpointSlice, endpointSlice, type Service, service } from "./service.ts";
import { type ServiceMesh, serviceMesh } from "./service-mesh.ts";

/** Any object the mesh or the simulator reads. */
export type KubeObject =
  | Namespace
  | Node
  | ServiceAccount
  | ConfigMap
  | Pod
  | Service
  | EndpointSlice
  | Controller
  | Job
  | ServiceMesh;

/** The verdict on one object. */
export type Decoded =
  | { readonly kind: "object"; readonly object: KubeObject }
  /** A kind nobody here reads: not an error, manifests hold many. */
  | { readonly kind: "ignored"; readonly ref: ObjectRef }
  | Invalid;

/** An object that can't be used, and where. */
export interface Invalid {
  readonly kind: "invalid";
  readonly ref: ObjectRef;
  /** For example `spec.ports[0].port`; empty = the object as a whole. */
  readonly field: string;
  readonly problem: string;
}

/** By `apiVersion/kind`, so that another group's kind of the same name is not mistaken for ours. */
const KINDS: ReadonlyMap<string, z.ZodType<KubeObject>> = new Map<string, z.ZodType<KubeObject>>([
  ["v1/Namespace", namespace],
  ["v1/Node", node],
  ["v1/ServiceAccount", serviceAccount],
  ["v1/ConfigMap", configMap],
  ["v1/Pod", pod],
  ["v1/Service", service],
  ["discovery.k8s.io/v1/EndpointSlice", endpointSlice],
  ["apps/v1/Deployment", controller],
  ["apps/v1/StatefulSet", controller],
  ["apps/v1/ReplicaSet", controller],
  ["apps/v1/DaemonSet", controller],
  ["batch/v1/Job", job],
  ["linkerd.io/v1alpha2/ServiceMesh", serviceMesh],
]);

const CLUSTER_WIDE: ReadonlySet<string> = new Set(["Namespace", "Node"]);

/** Decodes one parsed document; a `List` gives the verdicts of its items. */
export function decodeManifest(value: unknown): readonly Decoded[] {
  if (!isRecord(value)) return [invalid(refOf({}), "", "is not an object")];
  const { apiVersion, kind, items } = value;
  if (typeof apiVersion !== "string")
    return [invalid(refOf(value), "apiVersion", "must be a text such as v1")];
  if (typeof kind !== "string" || kind === "")
    return [invalid(refOf(value), "kind", "must be a text such as Pod")];
  if (kind === "List" || kind.endsWith("List")) {
    if (Array.isArray(items)) return items.flatMap(decodeItem);
    return [invalid(refOf(value), "items", "must be a list of objects")];
  }
  return [decodeOne(value, `${apiVersion}/${kind}`)];
}

/** The object's reference. */
export function objectRef(object: KubeObject): ObjectRef {
  const { kind, metadata } = object;
  return { kind, namespace: metadata.namespace, name: metadata.name };
}

/** A text that names an object among all: `Kind/namespace/name`. */
export function refKey(ref: ObjectRef): string {
  return `${ref.kind}/${ref.namespace}/${ref.name}`;
}

/** A List inside a List is not a thing in Kubernetes; refusing it bounds the recursion. */
function decodeItem(item: unknown): readonly Decoded[] {
  if (isRecord(item) && typeof item.kind === "string" && item.kind.endsWith("List"))
    return [invalid(refOf(item), "items", "a List can't hold a List")];
  return decodeManifest(item);
}

function decodeOne(value: Loose, key: string): Decoded {
  const schema = KINDS.get(key);
  if (schema === undefined) return { kind: "ignored", ref: refOf(value) };
  const result = schema.safeParse(value);
  if (result.success) return { kind: "object", object: result.data };
  const issue = result.error.issues[0];
  return invalid(refOf(value), fieldPath(issue?.path ?? []), issue?.message ?? "is not valid");
}

function invalid(ref: ObjectRef, field: string, problem: string): Invalid {
  return { kind: "invalid", ref, field, problem };
}

/** As much of a reference as a broken object gives. */
function refOf(value: Loose): ObjectRef {
  const metadata = isRecord(value.metadata) ? value.metadata : {};
  const kind = textOr(value.kind, "");
  const absent = CLUSTER_WIDE.has(kind) ? "" : "default";
  return {
    kind,
    namespace: textOr(metadata.namespace, absent),
    name: textOr(metadata.name, ""),
  };
}

function textOr(value: unknown, absent: string): string {
  return typeof value === "string" ? value : absent;
}

/** An object from outside: any of these may be there, as anything. */
interface Loose {
  readonly apiVersion?: unknown;
  readonly kind?: unknown;
  readonly items?: unknown;
  readonly metadata?: unknown;
  readonly namespace?: unknown;
  readonly name?: unknown;
}

function isRecord(value: unknown): value is Loose {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `["spec","ports",0,"port"]` as `spec.ports[0].port`, odd keys in quotes. */
function fieldPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    const name = String(key);
    if (!/^[A-Za-z_]\w*$/.test(name)) return `${text}[${JSON.stringify(name)}]`;
    return text === "" ? name : `${text}.${name}`;
  }, "");
}
