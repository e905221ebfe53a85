/**
 * A pod that tells from inside how its connections fare: whether new ones go through the mesh, whether old ones live.
 * A Service whose endpoint refuses tells the ways apart: directly the connection is refused, the mesh answers 503.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { KubeObject, TestCluster } from "./cluster.ts";
import { ECHO_IMAGE, type PodWish, pod, service } from "./pods.ts";

/** What the pod says, line by line; `at` in milliseconds since 1970. */
export type Sight =
  /** The way that a new connection took, when it is another than before (or the first); and how many took that one. */
  | { readonly at: number; readonly way: "mesh" | "direct"; readonly before: number }
  /** The pod's readiness probe was answered for the first time. */
  | { readonly at: number; readonly probed: true }
  /** A new connection to a server that is there failed. */
  | { readonly at: number; readonly failed: string }
  /** A held connection was opened: its number. */
  | { readonly at: number; readonly opened: number }
  /** A held connection ended, or no longer answered. */
  | { readonly at: number; readonly ended: number; readonly why: string };

const SCRIPT = readFileSync(join(import.meta.dirname, "watcher-main.ts"), "utf8");
/** Answers what it gets, byte for byte. */
const BYTES =
  'require("node:net").createServer((s) => s.on("error", () => {}).pipe(s)).listen(7000, "::")';

/** Names of what watchers ask. */
export const WATCHED = { http: "watched-http", bytes: "watched-bytes", nobody: "watched-nobody" };

/** The Services of a namespace that watchers ask, with their servers. */
export function watched(namespace: string): readonly KubeObject[] {
  const script = {
    command: ["/nodemesh/node", "-e", BYTES],
    readinessProbe: { tcpSocket: { port: 7000 }, periodSeconds: 1 },
  };
  const labels = (app: string) => ({ namespace, name: app, labels: { app } });
  return [
    pod({ ...labels(WATCHED.http) }),
    pod({ ...labels(WATCHED.bytes), container: { ...script, ports: [{ containerPort: 7000 }] } }),
    service(namespace, WATCHED.http),
    service(namespace, WATCHED.bytes, { ports: [{ name: "tcp", port: 7000, targetPort: 7000 }] }),
    // Its endpoint is a port that nobody listens on: a reset tells at once, while ICMP errors, with which kube-proxy
    // answers for a Service without endpoints, are limited to one a second.
    service(namespace, WATCHED.nobody, {
      selector: { app: WATCHED.http },
      ports: [{ name: "http", port: 80, targetPort: 9 }],
    }),
  ];
}

/** The container of a watching pod. */
function watcherContainer(namespace: string): KubeObject {
  return {
    image: ECHO_IMAGE,
    command: ["/nodemesh/node", "--input-type=module-typescript", "-e", SCRIPT],
    args: ["--", namespace],
    ports: undefined,
    readinessProbe: undefined,
  };
}

/** A readiness probe that a watcher answers as soon as it runs. */
export const WATCHER_PROBE = { httpGet: { path: "/", port: 8080 }, periodSeconds: 1 };

/** A watching pod. */
export function watcher(wish: PodWish): KubeObject {
  const { namespace, name } = wish;
  const container = { ...watcherContainer(namespace), ...wish.container };
  return pod({ labels: { app: name }, ...wish, container });
}

/** What a watcher has said so far. */
export async function sights(
  cluster: TestCluster,
  namespace: string,
  name: string,
): Promise<readonly Sight[]> {
  const text = await cluster.log(namespace, name);
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line): Sight => JSON.parse(line));
}

/** Everything that went wrong in the eyes of a watcher. */
export function troubles(seen: readonly Sight[]): readonly Sight[] {
  return seen.filter((sight) => "failed" in sight || "ended" in sight);
}
