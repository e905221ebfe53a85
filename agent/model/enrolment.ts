/** What the owner of a pod asked the mesh to do for it: the pod annotations of product.md, parsed. */

/** An inclusive range of TCP ports, 1 to 65535. A single port has first equal to last. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** Whether a port is in one of the ranges. */
export function includesPort(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ first, last }) => first <= port && port <= last);
}

/** What happens to a pod's new connections while its agent is dead. */
export type FailPolicy = "open" | "closed";

/** Whether plaintext from outside the mesh is accepted. */
export type MtlsMode = "permissive" | "strict";

/** Which requests are traced: `off`, or those that are traced already and a share of the others, 0 to 1. */
export type TraceShare = number | "off";

/** The enrolment of one pod, complete: every field has its value, defaults applied. */
export interface Enrolment {
  readonly fail: FailPolicy;
  readonly mtls: MtlsMode;
  readonly excludeOutboundPorts: readonly PortRange[];
  readonly excludeInboundPorts: readonly PortRange[];
  /** CIDR texts in canonical form, for example `10.0.0.0/8` or `fd00::/8`. */
  readonly excludeOutboundCidrs: readonly string[];
  /** Empty means everything is included. */
  readonly includeOutboundCidrs: readonly string[];
  /** Ports that are never parsed as HTTP. */
  readonly opaquePorts: readonly PortRange[];
  /** Share of the pod's requests and connections that get an access-log line, 0 to 1; absent = as the installation says. */
  readonly accessLog?: number;
  /**
   * Share of the pod's requests that a trace is begun for, 0 to 1; traces that others began are followed. `off`: nothing is
   * looked at. Absent = as the installation says.
   */
  readonly trace?: TraceShare;
}

/** The enrolment of a pod that says only `mesh/enabled=true`. */
export const DEFAULT_ENROLMENT: Enrolment = {
  fail: "open",
  mtls: "permissive",
  excludeOutboundPorts: [],
  excludeInboundPorts: [],
  excludeOutboundCidrs: [],
  includeOutboundCidrs: [],
  opaquePorts: [],
};
