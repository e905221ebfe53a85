/** The process that holds a simulation: brings it up, answers the verbs, takes it down on request or signal. */

import type { Server } from "node:http";
import { applyObjects } from "./api/apply.ts";
import { operate } from "./api/operations.ts";
import type { Reply, Request } from "./api/protocol.ts";
import { serveApi } from "./api/wire.ts";
import type { RawObject } from "./cluster/raw.ts";
import type { SimPaths } from "./paths.ts";
import { Simulation } from "./simulation.ts";

/** What to bring up. */
export interface SuperviseOptions {
  readonly sim: SimPaths;
  readonly nodes: number;
  readonly mesh: boolean;
  readonly workers: number;
  readonly objects: readonly RawObject[];
  readonly timeoutMs: number;
}

/** A simulation that is up. */
export interface Supervisor {
  /** Resolves when it has been taken down, by `down` or by SIGINT or SIGTERM. */
  readonly ended: Promise<void>;
}

/** Brings a simulation up and waits until it is ready; takes it down and throws when it isn't in time. */
export async function supervise(
  options: SuperviseOptions,
  log: (line: string) => void,
): Promise<Supervisor> {
  const startedMs = Date.now();
  const simulation = await Simulation.start({ ...options, log });
  const end = Promise.withResolvers<void>();
  const stop = (): Promise<void> => {
    void takeDown(simulation, server).then(end.resolve, end.reject);
    return end.promise;
  };
  let server: Server | undefined;
  onSignals(() => {
    log("taking down");
    void stop();
  });
  try {
    server = await serveApi(options.sim.api, (request) => answer(simulation, request, stop));
    apply(simulation, options.objects, log);
    await simulation.untilReady(options.timeoutMs, log);
    log(`up in ${((Date.now() - startedMs) / 1_000).toFixed(1)} s`);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ended: end.promise };
}

function apply(
  simulation: Simulation,
  objects: readonly RawObject[],
  log: (line: string) => void,
): void {
  const reply = applyObjects(simulation.cluster, objects, "default");
  for (const line of reply.lines) log(line);
  if (reply.problems.length > 0) throw new Error(reply.problems.join("\n"));
}

async function answer(
  simulation: Simulation,
  request: Request,
  stop: () => Promise<void>,
): Promise<Reply> {
  if (request.verb !== "down") return operate(simulation, request);
  await stop();
  return { lines: [], problems: [] };
}

async function takeDown(simulation: Simulation, server: Server | undefined): Promise<void> {
  // No new verbs; the one that asked for this still gets its answer.
  server?.close();
  await simulation.close();
}

function onSignals(act: () => void): void {
  process.once("SIGINT", act);
  process.once("SIGTERM", act);
}
