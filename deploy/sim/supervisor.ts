/** The process that holds a simulation: brings it up, answers the verbs, takes it down on request or signal. */

import type { Server } from "node:http";
import { applyObjects } from "./api/apply.ts";
import { operate } from "./api/operations.ts";
import type { Reply, Request } from "./api/protocol.ts";
import { serveApi } from "./api/wire.ts";
import type { RawObject } from "./cluster/raw.ts";
import { takeLock } from "./lock.ts";
import type { SimPaths } from "./paths.ts";
import { Simulation } from "./simulation.ts";

/** What to bring up. */
export interface SuperviseOptions {
  readonly sim: SimPaths;
  readonly nodes: number;
  readonly mesh: boolean;
  readonly workers: number;
  readonly prometheusPort: number | undefined;
  readonly objects: readonly RawObject[];
  readonly timeoutMs: number;
}

/** A simulation that is up. */
export interface Supervisor {
  /** Resolves when it has been taken down, by `down` or by a signal; rejects when something stayed behind. */
  readonly ended: Promise<void>;
}

/** The last answer, to the verb that asked for the end, is given in this time or not at all. */
const LAST_ANSWER_MS = 1_000;

/**
 * Brings a simulation up and waits until it is ready; takes it down and throws when it isn't in time or
 * `abandoned` (or a signal) says that nobody wants it any more.
 */
export async function supervise(
  options: SuperviseOptions,
  log: (line: string) => void,
  abandoned: AbortSignal = AbortSignal.any([]),
): Promise<Supervisor> {
  const startedMs = Date.now();
  await takeLock(options.sim);
  const unwanted = AbortSignal.any([abandoned, signalled(log)]);
  const simulation = await Simulation.start({ ...options, log });
  const holder = new Holder(simulation, log);
  unwanted.addEventListener("abort", () => void holder.stop());
  try {
    if (unwanted.aborted) throw new Error("interrupted");
    await holder.serve(options.sim.api);
    apply(simulation, options.objects, log);
    await simulation.untilReady(options.timeoutMs, log, holder.stopping);
    const { prometheus } = simulation;
    if (prometheus !== undefined)
      log(`Prometheus, with the rules: ${prometheus.url} (its log: ${prometheus.logFile})`);
    log(`up in ${((Date.now() - startedMs) / 1_000).toFixed(1)} s`);
  } catch (error) {
    await holder.stop();
    throw error;
  }
  return { ended: holder.ended };
}

/** A simulation with its API, taken down once, whoever asks. */
class Holder {
  readonly #simulation: Simulation;
  readonly #log: (line: string) => void;
  readonly #stopping = new AbortController();
  readonly #end = Promise.withResolvers<void>();
  #server: Server | undefined;

  constructor(simulation: Simulation, log: (line: string) => void) {
    this.#simulation = simulation;
    this.#log = log;
    // Who waits for the end hears of a failure; that nobody waits yet must not end the process.
    this.#end.promise.catch(() => undefined);
  }

  /** Aborted when the end has begun. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Resolves after stop(), once its own verb has been answered. */
  get ended(): Promise<void> {
    return this.#end.promise.finally(() => this.#server && closed(this.#server));
  }

  async serve(path: string): Promise<void> {
    this.#server = await serveApi(path, (request) => this.#answer(request));
  }

  /** Takes everything down; the same promise for everybody who asks. */
  stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return this.#end.promise;
    this.#stopping.abort();
    this.#log("taking down");
    // No new verbs; the one that asked for this still gets its answer.
    this.#server?.close();
    this.#simulation.close().then(this.#end.resolve, this.#end.reject);
    return this.#end.promise;
  }

  async #answer(request: Request): Promise<Reply> {
    if (request.verb !== "down") return operate(this.#simulation, request);
    await this.stop();
    return { lines: [], problems: [] };
  }
}

function apply(
  simulation: Simulation,
  objects: readonly RawObject[],
  log: (line: string) => void,
): void {
  const reply = applyObjects(simulation.cluster, objects, "default");
  for (const line of reply.lines) log(line);
  for (const warning of reply.warnings ?? []) log(`warning: ${warning}`);
  if (reply.problems.length > 0) throw new Error(reply.problems.join("\n"));
}

/** Aborted by the first signal that asks for the end, or by a fault of the supervisor itself. */
function signalled(log: (line: string) => void): AbortSignal {
  const asked = new AbortController();
  // Listened to until the process ends: a second Ctrl-C must not leave half of everything behind.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => asked.abort());
  process.on("uncaughtException", (error) => {
    log(`fault: ${error.stack ?? error.message}`);
    process.exitCode = 1;
    asked.abort();
  });
  return asked.signal;
}

/** Resolves when the server's last connection has ended. */
function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LAST_ANSWER_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
