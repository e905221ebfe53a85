/** Pods as the data plane knows them. */

import type { Enrolment, PortRange } from "./enrolment.ts";

/** One pod. */
export interface Workload {
  /** metadata.uid: the key; a re-created pod of the same name is another workload. */
  readonly uid: string;
  /**
   * The uid by which the node knows it, where that is another: static pods, whose API object is only a mirror
   * (annotation kubernetes.io/config.hash).
   */
  readonly sandboxUid?: string;
  readonly name: string;
  readonly namespace: string;
  /**
   * Who the pod counts as: the name of its Deployment, StatefulSet, DaemonSet, CronJob or Job, of any other controller, or
   * its own when it has none (docs/metrics.md, "Workloads").
   */
  readonly owner: string;
  readonly serviceAccount: string;
  /** spec.nodeName. */
  readonly node: string;
  /**
   * status.podIPs in canonical text form: at most one IPv4 and one IPv6. No two workloads of a snapshot
   * share one. Empty for pods on their node's network, whose address says nothing about who they are, and for
   * enrolled pods that a node is starting: its agent catches them before they have told their address.
   */
  readonly addresses: readonly string[];
  /** undefined: the mesh leaves this pod alone. */
  readonly enrolment?: Enrolment;
  /**
   * Of a pod without enrolment: ports whose bytes its clients' agents shall not read (mesh/opaque-ports); absent = none.
   * Of an enrolled pod its enrolment says it.
   */
  readonly opaquePorts?: readonly PortRange[];
  /**
   * Something restricts who may reach the pod, or whom it may reach, that this agent is too old to know: it refuses all
   * connections of the pod, both ways (closed.ts). Only pods that are enrolled.
   */
  readonly closed?: true;
  /** Of an enrolled pod: at most 64 ports where kubelet's probes and lifecycle hooks ask it; absent = none. */
  readonly probePorts?: readonly number[];
  /** What Services and containers declare about the pod's TCP ports, by number: the protocol of inbound traffic. */
  readonly ports: readonly WorkloadPort[];
}

/** A container port with the protocol its Service or name declares. */
export interface WorkloadPort {
  readonly port: number;
  readonly protocol: DeclaredProtocol;
  /**
   * Name of the Service of the pod's namespace that leads to the port; absent when none or several do. Only for telemetry:
   * who dials the pod itself, as clients of headless Services do, is counted under it.
   */
  readonly service?: string;
}

/**
 * What is declared about a port's protocol. `detect` means nothing was declared: the first bytes decide.
 * `tls` and `tcp` are carried as opaque bytes; `http2` and `grpc` too until the mesh parses HTTP/2.
 */
export type DeclaredProtocol = "detect" | "http" | "http2" | "grpc" | "tls" | "tcp";
