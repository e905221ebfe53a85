/**
 * Control's composition root: manifests -> world -> compile -> publish -> agents, and the windows through
 * which others look in. Builds in order, stops in reverse.
 */

import type { ControlConfig, ListenAddress } from "./config.ts";
import { json, type Routes, readOnlyServer, text } from "./http.ts";
import { Readiness } from "./lifecycle.ts";
import { listenOn } from "./listen.ts";
import { ManifestSource } from "./manifests/source.ts";
import { makeMetrics } from "./metrics.ts";
import { Pipeline } from "./pipeline.ts";
import { AgentRegistry } from "./publish/agents.ts";
import { Publisher } from "./publish/publisher.ts";
import { PublishServer } from "./publish/server.ts";

/** What the process gives: its log, clock and a name that no other control process has. */
export interface ControlSeams {
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly now: () => Date;
  readonly epoch: string;
}

/** A running control. Dispose to stop. */
export interface Control extends AsyncDisposable {
  /** Where agents, scrapers and the admin really connect. */
  readonly addresses: {
    readonly listen: string;
    readonly metrics: string | undefined;
    readonly admin: string | undefined;
  };
}

/** Starts control. Rejects with a message for the operator when something can't start; nothing is left running then. */
export async function startControl(config: ControlConfig, seams: ControlSeams): Promise<Control> {
  await using started = new AsyncDisposableStack();
  const readiness = new Readiness();
  const manifestsRead = readiness.await("manifests read");
  const listening = readiness.await("listening for agents");
  const publisher = new Publisher(seams.epoch);
  const agents = new AgentRegistry(seams.now);
  const pipeline = new Pipeline(publisher, seams.log);
  const metrics = makeMetrics({ publisher, agents, pipeline });
  pipeline.observe(metrics);

  const windows = {
    "/metrics": async () => ({
      status: 200,
      type: metrics.registry.contentType,
      body: await metrics.registry.metrics(),
    }),
    "/ready": () => ready(readiness),
  };
  const admin = {
    "/conditions": () => json(pipeline.conditions()),
    "/agents": () => json(agents.list()),
    "/snapshot": () => json(publisher.snapshot),
    "/ready": () => ready(readiness),
  };
  const addresses = {
    metrics: config.metrics && (await serve(started, config.metrics, windows)),
    admin: config.admin && (await serve(started, { kind: "unix", path: config.admin }, admin)),
  };

  const source = await ManifestSource.open({
    paths: config.manifests,
    onChanges: (changes) => pipeline.take(changes),
  });
  started.use(source);
  pipeline.start(() => source.conditions());
  manifestsRead();

  const onAck = (node: string, refusal: boolean): void => {
    metrics.acks.inc({ verdict: refusal ? "refused" : "taken" });
    if (refusal) seams.log("nack", { node, nack: agents.get(node)?.nacks[0] });
  };
  const server = new PublishServer({ publisher, agents, onAck });
  const listen = await listenOn(server.server, config.listen);
  started.defer(() => server.close());
  listening();
  const running = started.move();
  return {
    addresses: { listen, ...addresses },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function ready(readiness: Readiness): ReturnType<typeof text> {
  const awaited = readiness.awaited();
  return awaited.length === 0 ? text(200, "ready") : text(503, `awaiting: ${awaited.join(", ")}`);
}

/** Starts a read-only server and hands its end to `started`. */
async function serve(
  started: AsyncDisposableStack,
  where: ListenAddress,
  routes: Routes,
): Promise<string> {
  const server = readOnlyServer(routes);
  const address = await listenOn(server, where);
  started.defer(() => {
    const { promise, resolve } = Promise.withResolvers<void>();
    server.close(() => resolve());
    server.closeAllConnections();
    return promise;
  });
  return address;
}
