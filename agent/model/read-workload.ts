/** Workloads as they come in messages, every field checked. */

import type { Enrolment, PortRange, TraceShare } from "./enrolment.ts";
import { MAX_FEW, readAddress, readCidr, readPort, readProtocol } from "./read-address.ts";
import {
  field,
  integer,
  list,
  Malformed,
  name,
  oneOf,
  optional,
  type Place,
  share,
  text,
} from "./reader.ts";
import type { Workload, WorkloadPort } from "./workload.ts";

/** As many as the kernel's tables have room for (bpf/mesh.h: PROBE_SHARE). */
const MAX_PROBES = 64;

/** Reads a workload. */
export function readWorkload(place: Place): Workload {
  const enrolment = optional(field(place, "enrolment"), readEnrolment);
  const opaquePorts = optional(field(place, "opaquePorts"), (p) => list(p, readRange, MAX_FEW));
  const probePorts = optional(field(place, "probePorts"), (p) => list(p, readPort, MAX_PROBES));
  const closed = optional(field(place, "closed"), readTrue);
  const sandboxUid = optional(field(place, "sandboxUid"), name);
  return {
    uid: name(field(place, "uid")),
    ...(sandboxUid !== undefined && { sandboxUid }),
    name: name(field(place, "name")),
    namespace: name(field(place, "namespace")),
    owner: name(field(place, "owner")),
    serviceAccount: name(field(place, "serviceAccount")),
    node: text(field(place, "node"), 512),
    addresses: list(field(place, "addresses"), readAddress, MAX_FEW),
    ...(enrolment !== undefined && { enrolment }),
    ...(opaquePorts !== undefined && { opaquePorts }),
    ...(probePorts !== undefined && { probePorts }),
    ...(closed !== undefined && { closed }),
    ports: list(field(place, "ports"), readWorkloadPort, MAX_FEW),
  };
}

function readTrue({ value, path }: Place): true {
  if (value !== true) throw new Malformed(path, "must be true, or not there");
  return value;
}

function readWorkloadPort(place: Place): WorkloadPort {
  const service = optional(field(place, "service"), name);
  return {
    port: readPort(field(place, "port")),
    protocol: readProtocol(field(place, "protocol")),
    ...(service !== undefined && { service }),
  };
}

function readEnrolment(place: Place): Enrolment {
  const ranges = (of: string): readonly PortRange[] => list(field(place, of), readRange, MAX_FEW);
  const cidrs = (of: string): readonly string[] => list(field(place, of), readCidr, MAX_FEW);
  const accessLog = optional(field(place, "accessLog"), share);
  const trace = optional(field(place, "trace"), readTrace);
  return {
    fail: oneOf(field(place, "fail"), ["open", "closed"]),
    mtls: oneOf(field(place, "mtls"), ["permissive", "strict"]),
    excludeOutboundPorts: ranges("excludeOutboundPorts"),
    excludeInboundPorts: ranges("excludeInboundPorts"),
    excludeOutboundCidrs: cidrs("excludeOutboundCidrs"),
    includeOutboundCidrs: cidrs("includeOutboundCidrs"),
    opaquePorts: ranges("opaquePorts"),
    ...(accessLog !== undefined && { accessLog }),
    ...(trace !== undefined && { trace }),
  };
}

function readTrace(place: Place): TraceShare {
  return place.value === "off" ? "off" : share(place);
}

function readRange(place: Place): PortRange {
  const first = readPort(field(place, "first"));
  return { first, last: integer(field(place, "last"), first, 65_535) };
}
