/**
 * agent/admin shows what the agent knows and does, to root on its own node: JSON over HTTP on a unix socket
 * (`curl --unix-socket /run/nodemesh/agent.sock http://agent/pods`). May import agent/model, state, telemetry.
 * Must never change anything, show a private key, or answer without bound: lists end at a limit and say so.
 */

import type { Snapshot } from "#model/snapshot.ts";
import { visibleJson } from "#model/visible.ts";
import {
  type Answer,
  closeServer,
  createGetServer,
  type Route,
  text,
} from "../telemetry/get-server.ts";
import type { ReadinessView } from "../telemetry/monitor.ts";
import { listenPrivately } from "./socket.ts";

/** Items to list; read only as far as the limit. Workers must be asked, hence the promise. */
export type Listing = () => Iterable<unknown> | Promise<Iterable<unknown>>;

/** What the admin pages show. Asked for each request; a provider that throws costs its page a 500. */
export interface AdminProviders {
  /** The configuration in force; must hold no secret. */
  readonly config: () => unknown;
  readonly snapshot: () => Snapshot;
  /** Enrolled pods of this node: listener, namespace, state. */
  readonly pods: Listing;
  readonly connections: Listing;
  /** Endpoints with their running state, per worker. */
  readonly endpoints: Listing;
  /** Kernel counters, table sizes: anything worth a number that is no metric. */
  readonly counters: Listing;
  readonly readiness: ReadinessView;
}

/** Inputs of startAdmin(). */
export interface AdminInputs {
  /** Path of the socket. */
  readonly path: string;
  readonly providers: AdminProviders;
  /** See GetServerInputs. */
  readonly onError: (path: string, error: unknown) => void;
  /** Longest wait for a provider, milliseconds. */
  readonly timeoutMs?: number;
}

/** A running admin server. */
export interface Admin {
  /** Stops listening and removes the socket. */
  close(): Promise<void>;
}

/** Items of a list when the request names no `?limit=`. */
const DEFAULT_LIMIT = 1_000;

/** Most items of a list, whatever the request says. */
const MAX_LIMIT = 100_000;

/** Longest answer, in characters. */
const MAX_BODY = 64 * 1024 * 1024;

/** Starts the server. Rejects when another process listens on the socket (see listenPrivately). */
export async function startAdmin(inputs: AdminInputs): Promise<Admin> {
  const server = createGetServer({
    routes: routesOf(inputs.providers),
    onError: inputs.onError,
    routeTimeoutMs: inputs.timeoutMs ?? 5_000,
  });
  await listenPrivately(server, inputs.path);
  return { close: () => closeServer(server) };
}

function routesOf(providers: AdminProviders): ReadonlyMap<string, Route> {
  const { config, snapshot, pods, connections, endpoints, counters, readiness } = providers;
  return new Map<string, Route>([
    ["/config", () => json(200, config())],
    [
      "/snapshot",
      ({ query }) => onLimit(query, (limit) => json(200, snapshotPage(snapshot(), limit))),
    ],
    ["/pods", listRoute(pods)],
    ["/connections", listRoute(connections)],
    ["/endpoints", listRoute(endpoints)],
    ["/counters", listRoute(counters)],
    [
      "/ready",
      () =>
        json(readiness.ready ? 200 : 503, {
          ready: readiness.ready,
          awaited: readiness.awaited(),
        }),
    ],
  ]);
}

function listRoute(listing: Listing): Route {
  return ({ query }) =>
    onLimit(query, async (limit) => json(200, takeUpTo(await listing(), limit)));
}

/** Reads `?limit=`; 400 unless it is a number from 1 to MAX_LIMIT. */
function onLimit(
  query: URLSearchParams,
  make: (limit: number) => Answer | Promise<Answer>,
): Answer | Promise<Answer> {
  const asked = query.get("limit") ?? String(DEFAULT_LIMIT);
  const limit = /^\d{1,6}$/.test(asked) ? Number(asked) : 0;
  if (limit < 1 || limit > MAX_LIMIT) return text(400, `limit must be from 1 to ${MAX_LIMIT}`);
  return make(limit);
}

function snapshotPage({ version, epoch, workloads, services }: Snapshot, limit: number): unknown {
  return {
    version,
    epoch,
    workloads: takeUpTo(workloads.values(), limit),
    services: takeUpTo(services.values(), limit),
  };
}

function takeUpTo(
  items: Iterable<unknown>,
  limit: number,
): { readonly items: readonly unknown[]; readonly truncated: boolean } {
  const taken: unknown[] = [];
  for (const item of items) {
    if (taken.length === limit) return { items: taken, truncated: true };
    taken.push(item);
  }
  return { items: taken, truncated: false };
}

function json(status: number, value: unknown): Answer {
  const body = visibleJson(JSON.stringify(value, plain, 2));
  if (body.length > MAX_BODY)
    return text(507, "the answer is too long: ask with a smaller ?limit=");
  return { status, contentType: "application/json", body: `${body}\n` };
}

/** What JSON has no words for. */
function plain(_name: string, value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  if (typeof value === "bigint") return value.toString();
  return value;
}
