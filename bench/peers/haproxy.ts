/** Debian's haproxy: one process, one thread, HTTP and TCP mode, no log. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Peer, sidecarPeer } from "./peer.ts";

const HTTP_PORT = 18_001;
const TCP_PORT = 18_002;

function config(backends: readonly string[]): string {
  const servers = backends.map((address, index) => `  server s${index} ${address}`).join("\n");
  return `
global
  nbthread 1
  maxconn 4000
defaults
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  balance roundrobin
  maxconn 4000
listen http
  mode http
  http-reuse always
  bind 127.0.0.1:${HTTP_PORT} backlog 8192
${servers}
listen tcp
  mode tcp
  bind 127.0.0.1:${TCP_PORT} backlog 8192
${servers}
`;
}

/** haproxy as a sidecar: the yardstick of the budgets. */
export const HAPROXY: Peer = {
  name: "haproxy",
  start: async (stage, folder) => {
    const path = join(folder, "haproxy.cfg");
    writeFileSync(path, config(stage.backends));
    return sidecarPeer(stage, ["haproxy", "-db", "-f", path], { http: HTTP_PORT, tcp: TCP_PORT });
  },
};
