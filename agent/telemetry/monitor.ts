/**
 * The HTTP servers of `:15020` (/metrics for Prometheus, /facts for the CLI, /ready and /live for people) and of
 * `127.0.0.1:15022` (/ready and /live for kubelet, where no pod can be in its way).
 */

import { once } from "node:events";
import type { Server } from "node:net";
import {
  type Answer,
  closeServer,
  createGetServer,
  frugally,
  json,
  type Route,
  scrapeRoute,
  text,
} from "./get-server.ts";
import type { MetricsPage } from "./metrics-page.ts";

/** What the monitor asks about readiness (Prerequisites of agent/lifecycle.ts). */
export interface ReadinessView {
  readonly ready: boolean;
  awaited(): readonly { readonly name: string; readonly seconds: number }[];
}

/** Inputs of startProbes(). */
export interface ProbesInputs {
  /** Where to listen; without a host on all addresses; port 0 picks a free one. */
  readonly listen: { readonly host: string | undefined; readonly port: number };
  readonly readiness: ReadinessView;
  /** See GetServerInputs. */
  readonly onError: (path: string, error: unknown) => void;
}

/** Inputs of startMonitor(). */
export interface MonitorInputs extends ProbesInputs {
  readonly metrics: Pick<MetricsPage, "scrape">;
  /** The page /facts; absent = there is none. */
  readonly facts?: () => unknown;
}

/** A running monitor. */
export interface Monitor {
  /** The port in use. */
  readonly port: number;
  /** Stops listening; running answers are finished. */
  close(): Promise<void>;
}

/** Starts listening. Rejects when the address is taken or not ours (the system's error, with its code). */
export async function startMonitor(inputs: MonitorInputs): Promise<Monitor> {
  const routes = probeRoutes(inputs);
  routes.set("/metrics", scrapeRoute(inputs.metrics));
  const { facts } = inputs;
  if (facts !== undefined)
    routes.set(
      "/facts",
      frugally(() => json(facts())),
    );
  return listenOn(createGetServer({ routes, onError: inputs.onError }), inputs.listen);
}

/** Starts a server with /ready and /live alone. Rejects as startMonitor() does. */
export async function startProbes(inputs: ProbesInputs): Promise<Monitor> {
  const { listen, onError } = inputs;
  return listenOn(createGetServer({ routes: probeRoutes(inputs), onError }), listen);
}

function probeRoutes({ readiness }: ProbesInputs): Map<string, Route> {
  return new Map<string, Route>([
    ["/ready", () => readyAnswer(readiness)],
    // That it answers at all is the news: a main thread that hangs doesn't.
    ["/live", () => text(200, "alive")],
  ]);
}

async function listenOn(server: Server, { host, port }: ProbesInputs["listen"]): Promise<Monitor> {
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address();
  const used = typeof address === "object" && address !== null ? address.port : port;
  return { port: used, close: () => closeServer(server) };
}

function readyAnswer(readiness: ReadinessView): Answer {
  if (readiness.ready) return text(200, "ready");
  const awaited = readiness.awaited().map((one) => `${one.name} (${one.seconds.toFixed(0)} s)`);
  return text(503, `not ready, waiting for: ${awaited.join(", ")}`);
}
