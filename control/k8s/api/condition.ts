/** What the mesh has to say about an object: shown by `nodemesh check`, later also as Kubernetes Events. */

import type { ObjectRef } from "./schema.ts";

/** The closed list of reasons. */
export type ConditionReason =
  /** A file could not be read or holds broken YAML; `ref.kind` is `File`. */
  | "unreadable-file"
  /** A field that we read is missing or of the wrong shape; the last good form is kept. */
  | "invalid-object"
  /** No agent would take what the object says (too long, too many); it is left out. */
  | "left-out"
  /** The same object is described twice; the first file in alphabetical order wins. */
  | "duplicate-object"
  /** A `mesh/…` annotation or label, or a static pod's hash, can't be used; it counts as not set. */
  | "malformed-annotation"
  /** The pod asks for the mesh but uses its node's network. */
  | "host-network"
  /** An IP address can't be read; it is left out. */
  | "malformed-address"
  /** Two live pods or two Services claim one address; the newer one keeps it. */
  | "address-conflict"
  /** A port's protocol name is not known; the first bytes decide. */
  | "unknown-protocol"
  /** A Service leads to a named port that no pod it selects has; it has no endpoints there. */
  | "unknown-port"
  /** Two Services declare different protocols for one port of a pod. */
  | "protocol-conflict"
  /** Clients speak something else than the HTTP/1 that a port declares; it is carried as bytes. */
  | "misdeclared-port"
  /** More than one process speaks as the agent of a node. */
  | "second-agent"
  /** A pod says mesh/enabled=false while a ServiceMesh would enrol it; the pod wins. */
  | "enrolment-conflict"
  /** A ServiceMesh names a Service that is not there. */
  | "service-not-found"
  /** A ServiceMesh names a Service of another namespace. */
  | "foreign-service"
  /** A ServiceMesh names a Service none of whose ports is HTTP/1: its pods are enrolled, but no requests recorded. */
  | "not-http"
  /** A ServiceMesh asks for a tracer that does not exist. */
  | "unknown-tracer";

/** One statement about one field of one object. */
export interface Condition {
  readonly ref: ObjectRef;
  readonly reason: ConditionReason;
  /** For example `spec.ports[0].appProtocol`; empty = the object as a whole. */
  readonly field: string;
  readonly problem: string;
  readonly nextStep: string;
}
