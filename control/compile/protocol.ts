/** What protocol a port is declared to speak: appProtocol first, then the port name's prefix. */

import type { DeclaredProtocol } from "#model/workload.ts";

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
