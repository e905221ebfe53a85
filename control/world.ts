/**
 * The world as control knows it: typed maps of the objects that the compiler reads. A value: changes make
 * a new one that shares every untouched map and object with the old, so the compiler can see what is new
 * by identity. May import control/k8s/api; must not know where objects come from or go to.
 */

import type { Namespace } from "./k8s/api/cluster.ts";
import type { KubeObject } from "./k8s/api/decode.ts";
import type { Pod } from "./k8s/api/pod.ts";
import type { ObjectRef } from "./k8s/api/schema.ts";
import type { EndpointSlice, Service } from "./k8s/api/service.ts";
import type { ServiceMesh } from "./k8s/api/service-mesh.ts";

/** All objects that matter for a snapshot, by `namespace/name` (namespaces by name). */
export interface World {
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly pods: ReadonlyMap<string, Pod>;
  readonly services: ReadonlyMap<string, Service>;
  readonly endpointSlices: ReadonlyMap<string, EndpointSlice>;
  readonly serviceMeshes: ReadonlyMap<string, ServiceMesh>;
}

/** One object came, changed or went. */
export type Change =
  | { readonly kind: "apply"; readonly object: KubeObject }
  | { readonly kind: "delete"; readonly ref: ObjectRef };

/** Nothing is known. */
export const EMPTY_WORLD: World = {
  namespaces: new Map(),
  pods: new Map(),
  services: new Map(),
  endpointSlices: new Map(),
  serviceMeshes: new Map(),
};

/** Which map holds which kind. Kinds not named here don't change the world. */
const MAP_OF: ReadonlyMap<string, keyof World> = new Map<string, keyof World>([
  ["Namespace", "namespaces"],
  ["Pod", "pods"],
  ["Service", "services"],
  ["EndpointSlice", "endpointSlices"],
  ["ServiceMesh", "serviceMeshes"],
]);

/**
 * The world after the changes, in their order. Costs one copy of each touched map, however many changes:
 * give it batches. Returns the same world when nothing the compiler reads changed.
 */
export function applyChanges(world: World, changes: Iterable<Change>): World {
  const fresh: Partial<Record<keyof World, Map<string, KubeObject>>> = {};
  for (const change of changes) {
    const ref = change.kind === "apply" ? refOf(change.object) : change.ref;
    const which = MAP_OF.get(ref.kind);
    if (which === undefined) continue;
    fresh[which] ??= new Map<string, KubeObject>(world[which]);
    if (change.kind === "apply") fresh[which].set(worldKey(ref), change.object);
    else fresh[which].delete(worldKey(ref));
  }
  // The kind of each object chose its map above, which the type checker can't see.
  return Object.keys(fresh).length === 0 ? world : ({ ...world, ...fresh } as World);
}

/** The key of an object in its map. */
export function worldKey(ref: Pick<ObjectRef, "namespace" | "name">): string {
  return ref.namespace === "" ? ref.name : `${ref.namespace}/${ref.name}`;
}

function refOf(object: KubeObject): ObjectRef {
  return { kind: object.kind, namespace: object.metadata.namespace, name: object.metadata.name };
}
