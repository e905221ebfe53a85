/** The HTTP server of `:15020`: /metrics for Prometheus, /ready and /live for Kubernetes, /facts for the CLI. */

import { once } from "node:events";
import { type Answer, closeServer, createGetServer, type Route, text } from "./get-server.ts";
import type { Scrapeable } from "./registry.ts";

/** What the monitor asks about readiness (agent/lifecycle.ts has it). */
export interface ReadinessView {
  readonly ready: boolean;
  awaited(): readonly { readonly name: string; readonly seconds: number }[];
}

/** Inputs of startMonitor(). */
export interface MonitorInputs {
  /** Where to listen; without a host on all addresses; port 0 picks a free one. */
  readonly listen: { readonly host: string | undefined; readonly port: number };
  readonly metrics: Scrapeable;
  readonly readiness: ReadinessView;
  /** The page /facts; absent = there is none. */
  readonly facts?: () => unknown;
  /** See GetServerInputs. */
  readonly onError: (path: string, error: unknown) => void;
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
  const routes = new Map<string, Route>([
    ["/metrics", metricsRoute(inputs.metrics)],
    ["/ready", () => readyAnswer(inputs.readiness)],
    // That it answers at all is the news: a main thread that hangs doesn't.
    ["/live", () => text(200, "alive")],
  ]);
  const { facts } = inputs;
  if (facts !== undefined)
    routes.set("/facts", () => ({
      status: 200,
      contentType: "application/json",
      body: `${JSON.stringify(facts())}\n`,
    }));
  const server = createGetServer({ routes, onError: inputs.onError });
  server.listen(inputs.listen.port, inputs.listen.host);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : inputs.listen.port;
  return { port, close: () => closeServer(server) };
}

/** Scrapes that come while one is being made share it: many scrapers can't make main do more work. */
function metricsRoute(metrics: Scrapeable): Route {
  let running: Promise<Answer> | undefined;
  return () => {
    running ??= metrics
      .metrics()
      .then((body) => ({ status: 200, contentType: metrics.contentType, body }))
      .finally(() => {
        running = undefined;
      });
    return running;
  };
}

function readyAnswer(readiness: ReadinessView): Answer {
  if (readiness.ready) return text(200, "ready");
  const awaited = readiness.awaited().map((one) => `${one.name} (${one.seconds.toFixed(0)} s)`);
  return text(503, `not ready, waiting for: ${awaited.join(", ")}`);
}
