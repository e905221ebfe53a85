/**
 * Snapshot deltas as bytes: UTF-8 JSON, taken whole or refused whole. Every field of the model is checked,
 * so that behind this file nothing is. Fields that are not in the model are ignored: control may be newer
 * than the agent. What changes the meaning of a known field must raise FORMAT.
 */

import { canonicalAddress, canonicalCidr } from "./address.ts";
import type { Balance, HashKey } from "./balance.ts";
import { decompressed } from "./compression.ts";
import type { Enrolment, PortRange } from "./enrolment.ts";
import {
  canonicalText,
  field,
  integer,
  list,
  Malformed,
  name,
  oneOf,
  optional,
  type Place,
  text,
} from "./reader.ts";
import type { Endpoint, EndpointChanges, EndpointKey, Service, ServicePort } from "./service.ts";
import type { SnapshotDelta } from "./snapshot.ts";
import type { Workload, WorkloadPort } from "./workload.ts";

/**
 * The newest version of this encoding; newer ones are refused. 1: whole Services only. 2: with changes of endpoints, and
 * its readers take compressed messages (compression.ts). A message has the oldest one that can say it, so that an older
 * agent reads what needs nothing new.
 */
export const FORMAT = 2;

/** The format that brought changes of endpoints and compressed messages. */
export const FORMAT_WITH_CHANGES = 2;

/** A larger message is refused before it is read: some ten times a cluster of 10,000 pods. */
export const MAX_MESSAGE_BYTES: number = 64 * 1024 * 1024;

/** What decoding gives: the delta, or the first field that is wrong. */
export type DecodedDelta =
  | { readonly kind: "delta"; readonly delta: SnapshotDelta }
  | { readonly kind: "malformed"; readonly field: string; readonly problem: string };

/** What is wrong with a part of a message, and where in that part. */
export interface Flaw {
  /** For example `ports[3].port`. */
  readonly field: string;
  readonly problem: string;
}

const PROTOCOLS = ["detect", "http", "http2", "grpc", "tls", "tcp"] as const;
const MAX_OBJECTS = 1_000_000;
const MAX_ENDPOINTS = 100_000;
const MAX_FEW = 1024;

/** Encodes a delta. */
export function encodeDelta(delta: SnapshotDelta): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ format: formatOf(delta), ...delta }));
}

function formatOf({ changeEndpoints }: SnapshotDelta): number {
  return changeEndpoints.length > 0 ? FORMAT_WITH_CHANGES : 1;
}

/**
 * The text of encodeDelta in pieces, an object of the lists each: for who has no time to make it in one go. A piece of
 * a Service with thousands of endpoints is as long as its change was when it came.
 */
export function* encodePieces(delta: SnapshotDelta): Generator<string, void> {
  let before = "{";
  for (const [key, value] of Object.entries({ format: formatOf(delta), ...delta })) {
    yield `${before}${JSON.stringify(key)}:`;
    if (Array.isArray(value)) yield* listPieces(value);
    else yield JSON.stringify(value);
    before = ",";
  }
  yield "}";
}

function* listPieces(items: readonly unknown[]): Generator<string, void> {
  let before = "[";
  for (const item of items) {
    yield before + JSON.stringify(item);
    before = ",";
  }
  yield items.length === 0 ? "[]" : "]";
}

/** Decodes a delta, compressed or not. Never throws on bytes from outside. */
export function decodeDelta(bytes: Uint8Array): DecodedDelta {
  if (bytes.length > MAX_MESSAGE_BYTES) return malformed("", `is over ${MAX_MESSAGE_BYTES} bytes`);
  const plain = decompressed(bytes, MAX_MESSAGE_BYTES);
  if (plain === undefined)
    return malformed("", `is no whole zstd frame of at most ${MAX_MESSAGE_BYTES} bytes`);
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(plain));
    return { kind: "delta", delta: readDelta({ value, path: "" }) };
  } catch (cause) {
    if (cause instanceof Malformed) return malformed(cause.field, cause.message);
    // SyntaxError of JSON or TypeError of UTF-8; the text of either may quote the content: leave it out.
    return malformed("", "is not UTF-8 JSON");
  }
}

/** Why every agent would refuse a message with this workload; undefined = none would. */
export function workloadFlaw(workload: Workload): Flaw | undefined {
  return flawOf(workload, readWorkload);
}

/** Why every agent would refuse a message with this service; undefined = none would. */
export function serviceFlaw(service: Service): Flaw | undefined {
  return flawOf(service, readService);
}

function flawOf(value: unknown, read: (place: Place) => unknown): Flaw | undefined {
  try {
    read({ value, path: "" });
    return undefined;
  } catch (cause) {
    if (cause instanceof Malformed) return { field: cause.field, problem: cause.message };
    throw cause;
  }
}

function malformed(path: string, problem: string): DecodedDelta {
  return { kind: "malformed", field: path, problem };
}

function readDelta(place: Place): SnapshotDelta {
  integer(field(place, "format"), 1, FORMAT);
  const version = integer(field(place, "version"), 0, Number.MAX_SAFE_INTEGER);
  return {
    epoch: name(field(place, "epoch")),
    base: readBase(field(place, "base"), version),
    version,
    upsertWorkloads: list(field(place, "upsertWorkloads"), readWorkload, MAX_OBJECTS),
    removeWorkloads: list(field(place, "removeWorkloads"), name, MAX_OBJECTS),
    upsertServices: list(field(place, "upsertServices"), readService, MAX_OBJECTS),
    removeServices: list(field(place, "removeServices"), name, MAX_OBJECTS),
    // Format 1 has none.
    changeEndpoints:
      optional(field(place, "changeEndpoints"), (changes) =>
        list(changes, readEndpointChanges, MAX_OBJECTS),
      ) ?? [],
  };
}

function readBase(place: Place, version: number): number | "nothing" {
  return place.value === "nothing" ? "nothing" : integer(place, 0, version);
}

function readWorkload(place: Place): Workload {
  const enrolment = optional(field(place, "enrolment"), readEnrolment);
  const sandboxUid = optional(field(place, "sandboxUid"), name);
  const opaquePorts = optional(field(place, "opaquePorts"), (p) => list(p, readRange, MAX_FEW));
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
    ports: list(field(place, "ports"), readWorkloadPort, MAX_FEW),
  };
}

function readWorkloadPort(place: Place): WorkloadPort {
  return {
    port: readPort(field(place, "port")),
    protocol: oneOf(field(place, "protocol"), PROTOCOLS),
  };
}

function readEnrolment(place: Place): Enrolment {
  const ranges = (of: string): readonly PortRange[] => list(field(place, of), readRange, MAX_FEW);
  const cidrs = (of: string): readonly string[] => list(field(place, of), readCidr, MAX_FEW);
  return {
    fail: oneOf(field(place, "fail"), ["open", "closed"]),
    mtls: oneOf(field(place, "mtls"), ["permissive", "strict"]),
    excludeOutboundPorts: ranges("excludeOutboundPorts"),
    excludeInboundPorts: ranges("excludeInboundPorts"),
    excludeOutboundCidrs: cidrs("excludeOutboundCidrs"),
    includeOutboundCidrs: cidrs("includeOutboundCidrs"),
    opaquePorts: ranges("opaquePorts"),
  };
}

function readRange(place: Place): PortRange {
  const first = readPort(field(place, "first"));
  return { first, last: integer(field(place, "last"), first, 65_535) };
}

function readService(place: Place): Service {
  const affinitySeconds = optional(field(place, "affinitySeconds"), (p) => integer(p, 1, 86_400));
  return {
    namespace: name(field(place, "namespace")),
    name: name(field(place, "name")),
    addresses: list(field(place, "addresses"), readAddress, MAX_FEW),
    balance: readBalance(field(place, "balance")),
    ...(affinitySeconds !== undefined && { affinitySeconds }),
    ports: list(field(place, "ports"), readServicePort, MAX_FEW),
  };
}

function readServicePort(place: Place): ServicePort {
  return {
    name: text(field(place, "name"), 512),
    port: readPort(field(place, "port")),
    protocol: oneOf(field(place, "protocol"), PROTOCOLS),
    endpoints: list(field(place, "endpoints"), readEndpoint, MAX_ENDPOINTS),
  };
}

function readEndpoint(place: Place): Endpoint {
  const workload = optional(field(place, "workload"), name);
  const onlyFrom = optional(field(place, "onlyFrom"), (p) => text(p, 512));
  return {
    address: readAddress(field(place, "address")),
    port: readPort(field(place, "port")),
    state: oneOf(field(place, "state"), ["ready", "draining", "unready"]),
    ...(workload !== undefined && { workload }),
    ...(onlyFrom !== undefined && { onlyFrom }),
  };
}

function readEndpointChanges(place: Place): EndpointChanges {
  return {
    service: name(field(place, "service")),
    port: readPort(field(place, "port")),
    upsert: list(field(place, "upsert"), readEndpoint, MAX_ENDPOINTS),
    remove: list(field(place, "remove"), readEndpointKey, MAX_ENDPOINTS),
  };
}

function readEndpointKey(place: Place): EndpointKey {
  return { address: readAddress(field(place, "address")), port: readPort(field(place, "port")) };
}

function readBalance(place: Place): Balance {
  const kind = oneOf(field(place, "kind"), [
    "least-request",
    "round-robin",
    "random",
    "ewma",
    "consistent-hash",
  ]);
  return kind === "consistent-hash" ? { kind, key: readHashKey(field(place, "key")) } : { kind };
}

function readHashKey(place: Place): HashKey {
  const kind = oneOf(field(place, "kind"), ["header", "cookie", "source-ip"]);
  return kind === "source-ip" ? { kind } : { kind, name: name(field(place, "name")) };
}

function readAddress(place: Place): string {
  return canonicalText(place, canonicalAddress, "an IP address");
}

function readCidr(place: Place): string {
  return canonicalText(place, canonicalCidr, "a CIDR block");
}

function readPort(place: Place): number {
  return integer(place, 1, 65_535);
}
