/** What the tests of this folder share. Imported by tests only. */

import assert from "node:assert/strict";
import { decodeManifest } from "../k8s/api/decode.ts";
import { applyChanges, type Change, EMPTY_WORLD, type World } from "../world.ts";

/** An object as a file or the API has it. */
export type Loose = Record<string, unknown>;

/** The changes that objects make; fails the test on one that does not decode. */
export function apply(...objects: readonly Loose[]): Change[] {
  return objects.flatMap((object) =>
    decodeManifest(object).map((verdict): Change => {
      assert.ok(verdict.kind === "object", JSON.stringify(verdict));
      return { kind: "apply", object: verdict.object };
    }),
  );
}

/** The world of these objects. */
export function worldOf(...objects: readonly Loose[]): World {
  return applyChanges(EMPTY_WORLD, apply(...objects));
}

/** A namespace. */
export function namespace(name: string, annotations: Loose = {}): Loose {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, annotations } };
}

/** A running pod of namespace shop on node n1, with the uid `uid-NAME`. */
export function pod(
  name: string,
  ip: string,
  more: { meta?: Loose; spec?: Loose; status?: Loose } = {},
): Loose {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "shop", uid: `uid-${name}`, ...more.meta },
    spec: { nodeName: "n1", containers: [], ...more.spec },
    status: { phase: "Running", podIPs: [{ ip }], ...more.status },
  };
}

/** A Service of namespace shop. */
export function service(name: string, spec: Loose, annotations: Loose = {}): Loose {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "shop", annotations },
    spec,
  };
}

/** An IPv4 slice of a Service of namespace shop. */
export function slice(
  of: string,
  ports: Loose[],
  endpoints: Loose[],
  name: string = `${of}-1`,
): Loose {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: "shop", labels: { "kubernetes.io/service-name": of } },
    addressType: "IPv4",
    ports,
    endpoints,
  };
}

/** A slice's endpoint that is the pod named. */
export function endpoint(ip: string, of: string, conditions: Loose = {}): Loose {
  return { addresses: [ip], conditions, targetRef: { kind: "Pod", name: of, uid: `uid-${of}` } };
}
