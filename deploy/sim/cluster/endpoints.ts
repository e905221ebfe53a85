/** Services to EndpointSlices, by the pods there are. Pure. */

import { isIpv6 } from "#model/address.ts";
import type { Pod } from "../../../control/k8s/api/pod.ts";
import type { Service, ServicePort } from "../../../control/k8s/api/service.ts";
import type { RawObject } from "./raw.ts";

/** The slices of one Service: one per address family and per different set of target ports. */
export function endpointSlices(service: Service, pods: readonly Pod[]): readonly RawObject[] {
  if (Object.keys(service.spec.selector).length === 0) return [];
  const chosen = pods.filter((pod) => selects(service, pod) && pod.status.podIPs.length > 0);
  return (["IPv4", "IPv6"] as const).flatMap((family) => {
    const groups = Map.groupBy(chosen, (pod) => JSON.stringify(slicePorts(service, pod)));
    if (groups.size === 0) return [slice(service, family, { pods: [], ports: [], index: 0 })];
    return [...groups]
      .sort()
      .map(([ports, members], index) =>
        slice(service, family, { pods: members, ports: JSON.parse(ports), index }),
      );
  });
}

/** Whether labels fulfil a selector of equalities. */
export function matchesLabels(
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

/** Whether a pod's Ready condition is true. */
export function isReady(pod: Pod): boolean {
  return pod.status.conditions.some((one) => one.type === "Ready" && one.status === "True");
}

/** The port of the pod that a Service's port leads to; undefined when the pod has no port of that name. */
export function targetPort(port: ServicePort, pod: Pod): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === "number") return target;
  return pod.spec.containers
    .flatMap((container) => container.ports)
    .find((one) => one.name === target)?.containerPort;
}

function selects(service: Service, pod: Pod): boolean {
  return (
    pod.metadata.namespace === service.metadata.namespace &&
    pod.status.phase === "Running" &&
    matchesLabels(service.spec.selector, pod.metadata.labels)
  );
}

function slicePorts(service: Service, pod: Pod): readonly Record<string, unknown>[] {
  return service.spec.ports.flatMap((port) => {
    const number = targetPort(port, pod);
    if (number === undefined) return [];
    const { name, protocol, appProtocol } = port;
    return [
      { name, port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) },
    ];
  });
}

interface SliceContents {
  readonly pods: readonly Pod[];
  readonly ports: unknown;
  readonly index: number;
}

function slice(service: Service, family: "IPv4" | "IPv6", contents: SliceContents): RawObject {
  const { name, namespace } = service.metadata;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-${family.toLowerCase()}-${contents.index}`,
      namespace,
      labels: { "kubernetes.io/service-name": name },
      ownerReferences: [{ kind: "Service", name, controller: true }],
    },
    addressType: family,
    endpoints: contents.pods.flatMap((pod) => endpoint(service, pod, family)),
    ports: contents.ports,
  };
}

function endpoint(service: Service, pod: Pod, family: "IPv4" | "IPv6"): readonly unknown[] {
  const address = pod.status.podIPs.find(({ ip }) => isIpv6(ip) === (family === "IPv6"))?.ip;
  if (address === undefined) return [];
  const serving = isReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = service.spec.publishNotReadyAddresses || (serving && !terminating);
  const { name, namespace, uid } = pod.metadata;
  return [
    {
      addresses: [address],
      conditions: { ready, serving, terminating },
      nodeName: pod.spec.nodeName,
      targetRef: { kind: "Pod", namespace, name, uid },
    },
  ];
}
