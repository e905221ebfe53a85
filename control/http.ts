/** A small read-only HTTP/1.1 server: a table of GET paths. For metrics, readiness and the admin socket. */

import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";

/** What a path answers. */
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Paths and who answers them. */
export type Routes = Readonly<Record<string, () => Answer | Promise<Answer>>>;

/** Most connections at a time: a scraper, a kubelet and a few people need a handful. */
const MOST_CONNECTIONS = 64;

/** For clients that say nothing. Node looks for them only every 30 s by default. */
const TIMEOUTS = {
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 1_000,
};

/** Makes the server, not yet listening. A handler that throws gives 500 and its message. */
export function readOnlyServer(routes: Routes): Server {
  const server = createServer(TIMEOUTS, (request, response) => {
    void answer(routes, request.method ?? "", request.url ?? "/").then(({ status, type, body }) => {
      response.writeHead(status, { "content-type": type });
      response.end(request.method === "HEAD" ? undefined : body);
    });
  });
  boundConnections(server);
  return server;
}

/** Who was silent longest makes room for who comes: no pod can lock out kubelet's probes by holding connections. */
function boundConnections(server: Server): void {
  /** In the order of what they said last. */
  const open = new Set<Socket>();
  server.on("connection", (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    const [first] = open;
    if (open.size > MOST_CONNECTIONS) first?.destroy();
  });
  server.on("request", ({ socket }) => {
    if (open.delete(socket)) open.add(socket);
  });
}

/** A JSON answer; maps are given as objects. */
export function json(value: unknown): Answer {
  const body = JSON.stringify(value, (_, item: unknown) =>
    item instanceof Map ? Object.fromEntries(item) : item,
  );
  return { status: 200, type: "application/json", body: `${body}\n` };
}

/** A plain text answer. */
export function text(status: number, body: string): Answer {
  return { status, type: "text/plain; charset=utf-8", body: `${body}\n` };
}

async function answer(routes: Routes, method: string, url: string): Promise<Answer> {
  const [path = "/"] = url.split("?");
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) return text(404, `try ${Object.keys(routes).join(", ")}`);
  if (method !== "GET" && method !== "HEAD") return text(405, "only GET");
  try {
    return await route();
  } catch (cause) {
    return text(500, String(cause));
  }
}
