/**
 * A small HTTP server that only answers GET and HEAD from a fixed list of paths: metrics, readiness, admin; of the agent
 * and of control.
 */

import { createServer, type Server } from "node:net";
import { visible, visibleJson } from "#model/visible.ts";
import { Budget } from "./budget.ts";
import { GetConnection } from "./get-connection.ts";
import type { Answer, GetRequest } from "./get-request.ts";
import type { MetricsPage } from "./metrics-page.ts";
import { LONGEST_INTERVAL_MS, scrapeOf } from "./scrapers.ts";
import { TurnsByAddress } from "./turns.ts";

export type { Answer } from "./get-request.ts";

/** Who asks: the connection, which is the same for as long as it is open, and from where. */
export type Caller = Pick<GetConnection, "address" | "destroyed">;

/** Makes the answer of a path. */
export type Route = (request: GetRequest, caller: Caller) => Answer | Promise<Answer>;

/** Inputs of createGetServer(). */
export interface GetServerInputs {
  /** By path, for example `/metrics`. */
  readonly routes: ReadonlyMap<string, Route>;
  /** A route threw: a bug, to be logged. The client gets a 500 without the details. */
  readonly onError: (path: string, error: unknown) => void;
  /** Longest time a route may take, milliseconds; then 504. */
  readonly routeTimeoutMs?: number;
}

/** Most connections at a time, in all and of one address: a scraper has one, and users come by the API server's. */
const MOST_CONNECTIONS = 64;
const MOST_OF_ADDRESS = 32;
/** Answers a second at most, 200, address by address; and of large ones so many bytes a millisecond, 20 MB/s. */
const ANSWERS_APART_MS = 5;
const BYTES_PER_MS = 20_000;
/** Answers that are being made at a time. */
const ANSWERING = 8;
const TEXT = "text/plain; charset=utf-8";

/** The connections of each server that is open. */
const connectionsOf = new WeakMap<Server, Set<GetConnection>>();

/** The server, not listening yet. Its limits suit a scraper and a few people. */
export function createGetServer(inputs: GetServerInputs): Server {
  const turns = new TurnsByAddress({ atATime: ANSWERING, apartMs: ANSWERS_APART_MS });
  const bytesOf = lastBytes();
  /** In the order of what they asked last. */
  const open = new Set<GetConnection>();
  // A client that has said all it wants may go on reading.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const connection: GetConnection = new GetConnection({
      ...{ socket, bytesOf },
      answer: (request) => inTurn(inputs, turns, request, connection),
      onRequest: () => {
        if (open.delete(connection)) open.add(connection);
      },
      // A scraper is known by its connection, from one scrape to the next.
      idleMs: LONGEST_INTERVAL_MS,
    });
    open.add(connection);
    socket.once("close", () => open.delete(connection));
    makeRoom(open, connection.address);
  });
  connectionsOf.set(server, open);
  return server;
}

/**
 * Who was silent longest makes room for who comes, of the same address or of the one that has most: nobody can lock out a
 * scraper or a probe by holding connections.
 */
function makeRoom(open: ReadonlySet<GetConnection>, address: string): void {
  const ofAddress = [...open].filter((one) => one.address === address);
  if (ofAddress.length > MOST_OF_ADDRESS) ofAddress[0]?.destroy();
  else if (open.size > MOST_CONNECTIONS) {
    const all = [...Map.groupBy(open, (one) => one.address).values()];
    all.sort((a, b) => b.length - a.length)[0]?.[0]?.destroy();
  }
}

/** The bytes of a text; of the one that was asked last they are the same. */
function lastBytes(): (text: string) => Buffer {
  let last = { text: "", bytes: Buffer.alloc(0) };
  return (text) => {
    if (text !== last.text) last = { text, bytes: Buffer.from(text) };
    return last.bytes;
  };
}

async function inTurn(
  inputs: GetServerInputs,
  turns: TurnsByAddress,
  request: GetRequest,
  connection: GetConnection,
): Promise<Answer> {
  const { address } = connection;
  const turn = await turns.take({ address, isGone: () => connection.destroyed });
  if (turn === undefined) return text(503, "gone");
  let length = 0;
  try {
    const made = await answer(inputs, request, connection);
    ({ length } = made.body);
    return made;
  } catch (error) {
    inputs.onError(request.path, error);
    return text(500, "internal error; the log has the details");
  } finally {
    turn.end(length / BYTES_PER_MS);
  }
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
  return async (request, caller) => ({
    status: 200,
    ...(await page.scrape(scrapeOf(request, caller))),
  });
}

/** A page that is made anew while that costs little of the thread, else shown as it was made last. */
export function frugally(make: () => Answer): Route {
  const clock = (): number => performance.now();
  const budget = new Budget(clock);
  let last: Answer | undefined;
  return () => {
    if (last !== undefined && !budget.affords) return last;
    const from = clock();
    last = make();
    budget.spend(clock() - from);
    return last;
  };
}

/** Closes a server: idle connections at once, running answers within `graceMs`. Resolves when all are gone. */
export function closeServer(server: Server, graceMs = 1_000): Promise<void> {
  const open = connectionsOf.get(server) ?? new Set();
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      for (const connection of open) connection.destroy();
    }, graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    for (const connection of open) connection.end();
  });
}

async function answer(
  { routes, routeTimeoutMs = 5_000 }: GetServerInputs,
  request: GetRequest,
  connection: GetConnection,
): Promise<Answer> {
  const { method, path } = request;
  if (method !== "GET" && method !== "HEAD") return text(405, "only GET and HEAD are allowed");
  if (request.hasBody) return text(400, "a request here has no body");
  const route = routes.get(path);
  if (route === undefined) return text(404, `try ${[...routes.keys()].join(" ")}`);
  return withTimeout(Promise.resolve(route(request, connection)), routeTimeoutMs);
}

function withTimeout(made: Promise<Answer>, milliseconds: number): Promise<Answer> {
  const late = Promise.withResolvers<Answer>();
  const timer = setTimeout(() => late.resolve(text(504, "no answer in time")), milliseconds);
  return Promise.race([made, late.promise]).finally(() => clearTimeout(timer));
}
