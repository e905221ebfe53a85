/** Where kubelet asks a pod: the ports of its probes and lifecycle hooks. Pure. */

import type { Container, Hook, PodSpec, Probe } from "../k8s/api/pod.ts";

/** The kernel's tables have room for as many of one pod (bpf/mesh.h: PROBE_SHARE). */
const MAX_PORTS = 64;

/** Ascending. A name that no port of the container has is no port: kubelet asks nowhere either. */
export function probePortsOf({ containers, initContainers }: PodSpec): readonly number[] {
  const ports = new Set([...containers, ...initContainers].flatMap(portsOfContainer));
  return [...ports].sort((a, b) => a - b).slice(0, MAX_PORTS);
}

function portsOfContainer(container: Container): number[] {
  const { readinessProbe, livenessProbe, startupProbe, lifecycle } = container;
  const probes: readonly (Probe | Hook | undefined)[] = [
    readinessProbe,
    livenessProbe,
    startupProbe,
    lifecycle?.preStop,
    lifecycle?.postStart,
  ];
  return probes.flatMap((probe) => portOf(probe, container) ?? []);
}

function portOf(
  probe: Probe | Hook | undefined,
  { ports }: Pick<Container, "ports">,
): number | undefined {
  if (probe === undefined) return undefined;
  if ("grpc" in probe && probe.grpc !== undefined) return probe.grpc.port;
  const port = probe.httpGet?.port ?? probe.tcpSocket?.port;
  if (typeof port !== "string") return port;
  return ports.find(({ name }) => name === port)?.containerPort;
}
