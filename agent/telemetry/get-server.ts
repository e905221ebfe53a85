/**
 * A small HTTP server that only answers GET and HEAD from a fixed list of paths: metrics, readiness, admin; of the agent
 * and of control.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { visible, visibleJson } from "#model/visible.ts";
import type { MetricsPage } from "./metrics-page.ts";
import { LONGEST_INTERVAL_MS, scrapeOf } from "./scrapers.ts";

/** What a path answers. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Makes the answer of a path. `query` = the part after `?`. */
export type Route = (query: URLSearchParams, request: IncomingMessage) => Answer | Promise<Answer>;

/** Inputs of createGetServer(). */
export interface GetServerInputs {
  /** By path, for example `/metrics`. */
  readonly routes: ReadonlyMap<string, Route>;
  /** A route threw: a bug, to be logged. The client gets a 500 without the details. */
  readonly onError: (path: string, error: unknown) => void;
  /** Longest time a route may take, milliseconds; then 504. */
  readonly routeTimeoutMs?: number;
}

/** Most connections at a time. */
const MOST_CONNECTIONS = 64;
const TEXT = "text/plain; charset=utf-8";

/** The server, not listening yet. Its limits suit a scraper and a few people. */
export function createGetServer(inputs: GetServerInputs): Server {
  const server = createServer(
    {
      maxHeaderSize: 8_192,
      headersTimeout: 5_000,
      requestTimeout: 10_000,
      // A scraper is known by its connection, from one scrape to the next.
      keepAliveTimeout: LONGEST_INTERVAL_MS,
      // Node looks for late heads only every 30 s by default.
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      // A body is of no use here; not reading it would leave it in the connection.
      request.resume();
      answer(inputs, request).then(
        (made) => send(response, made, request.method === "HEAD"),
        (error: unknown) => {
          inputs.onError(pathOf(request), error);
          send(response, text(500, "internal error; the log has the details"), false);
        },
      );
    },
  );
  boundConnections(server);
  return server;
}

/** Who was silent longest makes room for who comes: no pod can lock out a scraper or a probe by holding connections. */
function boundConnections(server: Server): void {
  /** In the order of what they asked last. */
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

/** A plain-text answer of one line. */
export function text(status: number, line: string): Answer {
  return { status, contentType: TEXT, body: `${visible(line)}\n` };
}

/** A JSON answer; maps are given as objects. */
export function json(value: unknown): Answer {
  const body = JSON.stringify(value, (_, item: unknown) =>
    item instanceof Map ? Object.fromEntries(item) : item,
  );
  return { status: 200, contentType: "application/json", body: `${visibleJson(body)}\n` };
}

/** The page of metrics. */
export function scrapeRoute(page: Pick<MetricsPage, "scrape">): Route {
  return async (_query, request) => ({ status: 200, ...(await page.scrape(scrapeOf(request))) });
}

/** Closes a server: idle connections at once, running answers within `graceMs`. Resolves when all are gone. */
export function closeServer(server: Server, graceMs = 1_000): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

async function answer(inputs: GetServerInputs, request: IncomingMessage): Promise<Answer> {
  if (request.method !== "GET" && request.method !== "HEAD")
    return text(405, "only GET and HEAD are allowed");
  const route = inputs.routes.get(pathOf(request));
  if (route === undefined) return text(404, `try ${[...inputs.routes.keys()].join(" ")}`);
  const query = new URLSearchParams((request.url ?? "").split("?")[1] ?? "");
  return withTimeout(Promise.resolve(route(query, request)), inputs.routeTimeoutMs ?? 5_000);
}

function withTimeout(made: Promise<Answer>, milliseconds: number): Promise<Answer> {
  const late = Promise.withResolvers<Answer>();
  const timer = setTimeout(() => late.resolve(text(504, "no answer in time")), milliseconds);
  return Promise.race([made, late.promise]).finally(() => clearTimeout(timer));
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "/").split("?")[0] ?? "/";
}

function send(
  response: ServerResponse,
  { status, contentType, body }: Answer,
  head: boolean,
): void {
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    ...(status === 405 ? { allow: "GET, HEAD" } : {}),
  });
  response.end(head ? undefined : body);
}
