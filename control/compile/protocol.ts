/** What protocol a port is declared to speak: appProtocol first, then the port name's prefix. */

import type { DeclaredProtocol, WorkloadPort } from "#model/workload.ts";

/** A port of a pod as the Services that lead to it declare it. */
export interface PodPort extends WorkloadPort {
  /** Whether any of them says a protocol: only where none does counts the name of the container's port. */
  readonly said: boolean;
}

const APP_PROTOCOLS: Readonly<Record<string, DeclaredProtocol>> = {
  http: "http",
  // WebSocket starts as an HTTP/1.1 request (RFC 6455).
  "kubernetes.io/ws": "http",
  "kubernetes.io/h2c": "http2",
  http2: "http2",
  h2c: "http2",
  grpc: "grpc",
  tcp: "tcp",
  https: "tls",
  tls: "tls",
  "kubernetes.io/wss": "tls",
  mysql: "tcp",
  postgresql: "tcp",
  postgres: "tcp",
  redis: "tcp",
  mongo: "tcp",
  mongodb: "tcp",
};

/** The protocol named by appProtocol, in any case; undefined for a name we don't know. */
export function protocolOfApp(appProtocol: string): DeclaredProtocol | undefined {
  const name = appProtocol.toLowerCase();
  return Object.hasOwn(APP_PROTOCOLS, name) ? APP_PROTOCOLS[name] : undefined;
}

/** The protocol a port's name begins with (`http`, `http-metrics`, `grpc-api`); `detect` when none. */
export function protocolOfName(portName: string): DeclaredProtocol {
  const [prefix = ""] = portName.split("-");
  return protocolOfApp(prefix) ?? "detect";
}

/** What carries each protocol and harms no connection that speaks it, one step wider at a time; `tcp` carries all. */
const WIDER: Readonly<Record<DeclaredProtocol, DeclaredProtocol | undefined>> = {
  grpc: "http2",
  http2: "detect",
  http: "detect",
  detect: "tcp",
  tls: "tcp",
  tcp: undefined,
};

/**
 * What a port counts as that is declared in both ways: neither's connections may be taken for the other's. Kinds of HTTP,
 * and HTTP beside nothing said, leave it to the first bytes; anything beside what is never read is not read either.
 */
export function commonProtocol(a: DeclaredProtocol, b: DeclaredProtocol): DeclaredProtocol {
  const wider = new Set(widerOf(b));
  return widerOf(a).find((protocol) => wider.has(protocol)) ?? "tcp";
}

function widerOf(protocol: DeclaredProtocol): readonly DeclaredProtocol[] {
  const wider = WIDER[protocol];
  return wider === undefined ? [protocol] : [protocol, ...widerOf(wider)];
}
