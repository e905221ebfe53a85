/**
 * What the leader tells users on their own objects: Events for everything wrong with them and for pods that come into
 * the mesh or out of it, and the status of each ServiceMesh. May import control's api-call, world and conditions; must never decide what is wrong.
 *
 * This file: from a condition to an Event, pure. Events are those of core/v1, because every `kubectl describe`
 * shows their age and count.
 */

import { createHash } from "node:crypto";
import type { CoreV1Event } from "@kubernetes/client-node";
import { visible } from "#model/visible.ts";
import type { Condition } from "../k8s/api/condition.ts";
import type { ObjectRef } from "../k8s/api/schema.ts";

/** Who tells; also the selector by which a new leader finds what was told. */
export const COMPONENT = "nodemesh-control";

/** Where Events on cluster-wide objects live, as everywhere in Kubernetes. */
const CLUSTER_NAMESPACE = "default";

/** Bounds of the API server: a message of 1 KiB, a name of 253 letters. */
const MAX_MESSAGE = 1024;
const MAX_NAME = 253;
const HASH_LENGTH = 16;

const API_VERSIONS: Readonly<Record<string, string>> = {
  Namespace: "v1",
  Node: "v1",
  Pod: "v1",
  Service: "v1",
  ServiceAccount: "v1",
  EndpointSlice: "discovery.k8s.io/v1",
  ServiceMesh: "linkerd.io/v1alpha2",
};

/** An object that something is told about; with the uid it has now, so that a later one of its name is not meant. */
export interface Subject {
  readonly ref: ObjectRef;
  /** Undefined = not known; such an Event is found by name only. */
  readonly uid: string | undefined;
}

/** One thing to tell, under a name that it always has: telling it again finds the Event of before. */
export interface Statement extends Subject {
  /** The Event's. */
  readonly namespace: string;
  readonly name: string;
  /** `Warning`: something is wrong. */
  readonly type: "Normal" | "Warning";
  /** CamelCase, as Events' reasons are. */
  readonly reason: string;
  readonly message: string;
}

/** The statement for a condition; undefined where there is no object in the cluster to tell it on. */
export function statementOf(condition: Condition, uid: string | undefined): Statement | undefined {
  const { ref, reason, field, problem, nextStep } = condition;
  if (ref.name === "" || !Object.hasOwn(API_VERSIONS, ref.kind)) return undefined;
  const where = field === "" ? "" : `${field}: `;
  const message = `${where}${problem}; ${nextStep}`;
  return statementFor({ ref, uid }, { type: "Warning", reason, message }, [field, problem]);
}

/** What a statement says. */
export interface Words {
  readonly type: Statement["type"];
  /** In lower case, words joined by hyphens. */
  readonly reason: string;
  readonly message: string;
}

/** The statement about an object. `identity`: what tells it from others of its reason, besides the object. */
export function statementFor(
  { ref, uid }: Subject,
  { type, reason, message }: Words,
  identity: readonly string[] = [],
): Statement {
  const all = [ref.kind, ref.namespace, ref.name, uid ?? "", reason, ...identity];
  const hash = createHash("sha256").update(JSON.stringify(all)).digest("hex");
  const suffix = `.${hash.slice(0, HASH_LENGTH)}`;
  return {
    ref,
    uid,
    namespace: ref.namespace === "" ? CLUSTER_NAMESPACE : ref.namespace,
    name: subdomain(ref.name.slice(0, MAX_NAME - suffix.length)) + suffix,
    type,
    reason: camelCase(reason),
    message: shortened(visible(message)),
  };
}

/** A new Event that says a statement for the first time. */
export function eventOf(statement: Statement, instance: string, now: Date): CoreV1Event {
  const { ref, uid, namespace, name, type, reason, message } = statement;
  return {
    metadata: { namespace, name },
    involvedObject: {
      kind: ref.kind,
      name: ref.name,
      apiVersion: API_VERSIONS[ref.kind] ?? "v1",
      ...(ref.namespace === "" ? {} : { namespace: ref.namespace }),
      ...(uid === undefined ? {} : { uid }),
    },
    type,
    reason,
    message,
    count: 1,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component: COMPONENT },
    reportingComponent: COMPONENT,
    reportingInstance: instance,
  };
}

function camelCase(words: string): string {
  return words
    .split("-")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
}

/** Some kinds allow letters in names (RBAC's ':') that Events do not. */
function subdomain(name: string): string {
  return name.replaceAll(/[^a-z0-9.-]/g, "-").replaceAll(/[.-]+$/g, "");
}

/** Cut by bytes, as the API server counts, and never inside a letter. */
function shortened(message: string): string {
  const bytes = Buffer.from(message);
  if (bytes.length <= MAX_MESSAGE) return message;
  const cut = bytes.subarray(0, MAX_MESSAGE - 3).toString();
  return `${cut.replace(/\uFFFD+$/, "")}…`;
}
