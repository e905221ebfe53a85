/** Objects as users write them: JSON values with metadata. The simulator keeps them whole, so that nothing a user wrote is lost. */

import { decodeManifest, type KubeObject } from "../../../control/k8s/api/decode.ts";
import type { ObjectRef } from "../../../control/k8s/api/schema.ts";

/** metadata as written. */
export interface RawMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly unknown[];
}

/** An object as written. */
export interface RawObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: RawMeta;
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** An object in both forms: as written, and as the mesh reads it. */
export interface Stored {
  readonly raw: RawObject;
  readonly object: KubeObject;
}

/** Decodes a raw object. Throws an Error that names object, field and problem when it is invalid or of no known kind. */
export function decodeRaw(raw: unknown): Stored {
  const [verdict] = decodeManifest(raw);
  switch (verdict?.kind) {
    case "object":
      return { raw: raw as RawObject, object: verdict.object };
    case "ignored":
      throw new Error(`${nameOf(verdict.ref)}: the simulator does not know this kind; remove it`);
    case "invalid":
      throw new Error(`${nameOf(verdict.ref)} is invalid: ${verdict.field} ${verdict.problem}`);
    case undefined:
      throw new Error("an empty List describes nothing");
  }
}

/** How kubectl names an object in its answers: `deployment.apps/user`. */
export function nameOf(ref: Pick<ObjectRef, "kind" | "name">): string {
  return `${KUBECTL_KINDS.get(ref.kind) ?? ref.kind.toLowerCase()}/${ref.name}`;
}

const KUBECTL_KINDS: ReadonlyMap<string, string> = new Map([
  ["Deployment", "deployment.apps"],
  ["StatefulSet", "statefulset.apps"],
  ["DaemonSet", "daemonset.apps"],
  ["ReplicaSet", "replicaset.apps"],
  ["EndpointSlice", "endpointslice.discovery.k8s.io"],
  ["Job", "job.batch"],
  ["ServiceMesh", "servicemesh.linkerd.io"],
]);
