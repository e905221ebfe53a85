/** The same cluster as manifests: for the agent's side, which needs its snapshot and no API server. */
import { decodeManifest } from "../../control/k8s/api/decode.ts";
import { applyChanges, type Change, EMPTY_WORLD, type World } from "../../control/world.ts";
import { nodeName, type Size, serviceName } from "./world.ts";

const NAMESPACE = "shop";

function podIp(service: number, index: number): string {
  return `10.${100 + index}.${service >> 8}.${service & 255}`;
}

function podUid(service: number, index: number): string {
  return `uid-${serviceName(service)}-${index}`;
}

/** Pods and Service of one number. */
export function serviceAndPods(service: number, size: Size): readonly object[] {
  const name = serviceName(service);
  const pods = Array.from({ length: size.podsPerService }, (_, index) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: `${name}-${index}`,
      namespace: NAMESPACE,
      uid: podUid(service, index),
      labels: { app: name },
      annotations: { "mesh/enabled": "true" },
    },
    spec: {
      nodeName: `paper-${nodeName((service + index * size.services) % size.nodes)}`,
      containers: [{ name: "app", ports: [{ containerPort: 8080, name: "http" }] }],
    },
    status: { phase: "Running", podIPs: [{ ip: podIp(service, index) }] },
  }));
  const own = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: NAMESPACE },
    spec: {
      clusterIPs: [`10.99.${service >> 8}.${service & 255}`],
      ports: [{ name: "http", port: 80, targetPort: 8080 }],
    },
  };
  return [own, ...pods];
}

/**
 * The Service's slice; `unready` is the number of the endpoint that is not ready, -1 for none. Control reads and compiles
 * one with another `remark` anew, and agents hear nothing of it.
 */
export function slice(service: number, size: Size, unready: number, remark = ""): object {
  const name = serviceName(service);
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-1`,
      namespace: NAMESPACE,
      labels: { "kubernetes.io/service-name": name },
      annotations: { "bench/remark": remark },
    },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080 }],
    endpoints: Array.from({ length: size.podsPerService }, (_, index) => ({
      addresses: [podIp(service, index)],
      conditions: { ready: index !== unready },
      targetRef: {
        kind: "Pod",
        name: `${name}-${index}`,
        namespace: NAMESPACE,
        uid: podUid(service, index),
      },
    })),
  };
}

/** The objects as changes of control's world. Throws when control would refuse one. */
export function changesOf(objects: readonly object[]): readonly Change[] {
  return objects.flatMap((object) =>
    decodeManifest(object).map((verdict): Change => {
      if (verdict.kind === "object") return { kind: "apply", object: verdict.object };
      throw new Error(`an object of the bench is ${verdict.kind}: ${JSON.stringify(verdict)}`);
    }),
  );
}

/** Control's whole world of this size. */
export function worldOf(size: Size): World {
  const objects = Array.from({ length: size.services }, (_, service) => [
    ...serviceAndPods(service, size),
    slice(service, size, -1),
  ]);
  return applyChanges(EMPTY_WORLD, changesOf(objects.flat()));
}
