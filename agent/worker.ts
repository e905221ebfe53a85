/**
 * Composition root of a data worker: builds the loop, the flow and the transport, then turns for ever.
 * Runs as a worker thread; everything it is told comes through one MessagePort, drained when main rings.
 */

import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { MisdeclaredPorts } from "#model/misdeclared.ts";
import { refuse } from "#model/refusal.ts";
import { serviceKey } from "#model/service.ts";
import type { Workload } from "#model/workload.ts";
import type { Channel } from "./engine/channel.ts";
import { type Accepted, type Listener, listen } from "./engine/listen.ts";
import { Loop } from "./engine/loop.ts";
import { relay } from "./engine/relay.ts";
import { Timer } from "./engine/timers.ts";
import { EndpointGauges } from "./flow/balance/endpoint-gauges.ts";
import { EndpointSet } from "./flow/balance/endpoint-set.ts";
import type { LiveEndpoint } from "./flow/balance/live-endpoint.ts";
import { portSpecOf } from "./flow/balance/port-spec.ts";
import { type BalanceSettings, DEFAULT_BALANCE_SETTINGS } from "./flow/balance/settings.ts";
import { type FlowContext, handleConnection } from "./flow/connection.ts";
import { Counting } from "./flow/count.ts";
import { ServerFirstMemory } from "./flow/detect.ts";
import { Directory } from "./flow/directory.ts";
import { decideFallback, FallbackWarnings, fallbackFacts, serviceOf } from "./flow/fallback.ts";
import { misdeclaredPort } from "./flow/misdeclared.ts";
import type { Plan } from "./flow/plan.ts";
import { LocalPod, type WorkerTally } from "./flow/pod.ts";
import type { TieWatcher } from "./flow/tie.ts";
import { Sockets } from "./kernel/sockets.ts";
import type { FromWorker, PodInit, Question, Row, ToWorker, WorkerInit } from "./messages.ts";
import { AccessLogger } from "./telemetry/access-log.ts";
import { WorkerMetrics } from "./telemetry/worker-metrics.ts";
import { HeadPool } from "./transport/head-pool.ts";
import { HeadSlots } from "./transport/head-slots.ts";
import { plaintext } from "./transport/plaintext.ts";

/** How often byte counters are brought up to date, idle connections expire and series are swept. */
const HOUSEKEEPING_MS = 1000;

/**
 * How long nothing must have been carried before a pod counts as idle and a drain as done, once the kernel sends nothing
 * new: handshakes that were under way end within it (three round trips of 300 ms), and what is left of the last
 * connection's (its FIN). Waiting costs nothing: new connections are elsewhere already.
 */
const QUIET_MS = 1000;

/** How often main hears again of a port that declares what is not spoken there. */
const MISDECLARED_AGAIN_MS = 10 * 60_000;

/** How often main hears again of a Service whose connections go to its ClusterIP. */
const FELL_BACK_AGAIN_MS = 60_000;

/** Room beside the largest head for the lines that the mesh adds. */
const HEAD_ROOM_BYTES = 1024;

/** Most rows of one answer to the admin socket. */
const MAX_ROWS = 10_000;

interface ServedPod {
  readonly pod: LocalPod;
  listener: Listener | undefined;
  /** Main wants to know when nothing is carried any more. */
  watched: boolean;
  /** Fires when nothing was carried for a while. */
  readonly quiet: Timer;
}

class DataWorker {
  readonly #init: WorkerInit;
  readonly #port: MessagePort;
  readonly #loop: Loop;
  readonly #metrics: WorkerMetrics;
  readonly #gauges: EndpointGauges;
  readonly #slots: HeadSlots = new HeadSlots();
  readonly #directory: Directory<EndpointSet>;
  readonly #context: FlowContext;
  readonly #pods: Map<string, ServedPod> = new Map();
  readonly #misdeclared: MisdeclaredPorts = new MisdeclaredPorts(
    MISDECLARED_AGAIN_MS,
    () => this.#loop.now,
  );
  readonly #fellBack = new FallbackWarnings(() => this.#loop.now, FELL_BACK_AGAIN_MS);
  #controlAway = false;
  readonly #tally: WorkerTally = { carried: 0 };
  readonly #drained: Timer = new Timer({ onTimer: () => this.#tellDrained() });
  readonly #housekeeping: Timer = new Timer({ onTimer: () => this.#keepHouse() });
  #draining = false;
  #quietMs = QUIET_MS;

  constructor(init: WorkerInit) {
    this.#init = init;
    this.#port = init.port;
    this.#loop = new Loop({
      system: new Sockets(),
      memoryLimitBytes: init.limits.maxBufferedBytes,
      ownerMemoryLimitBytes: init.limits.maxBufferedBytesPerPod,
    });
    this.#metrics = new WorkerMetrics(init.metrics);
    this.#gauges = new EndpointGauges(this.#metrics);
    this.#directory = new Directory<EndpointSet>(
      endpointStates(init.node, balanceSettings(init.workers)),
    );
    this.#context = this.#buildContext();
    this.#loop.onWake = () => this.#receive();
    this.#loop.onTurnEnd = () => this.#slots.recycle();
    this.#loop.onBug = (error) => {
      if (error instanceof FatalError) throw error;
      const text = error instanceof Error ? (error.stack ?? "") : String(error);
      this.#tell({ kind: "bug", text });
    };
  }

  run(): void {
    this.#tell({ kind: "started", wakeFd: this.#loop.wakeFd });
    this.#loop.arm(this.#housekeeping, HOUSEKEEPING_MS);
    this.#loop.run();
    this.#loop.dispose();
    this.#port.close();
  }

  #buildContext(): FlowContext {
    const { limits, timeouts } = this.#init;
    const loop = this.#loop;
    return {
      directory: this.#directory,
      serverFirst: new ServerFirstMemory(),
      maxConnections: limits.maxConnections,
      maxConnectionsPerPod: limits.maxConnectionsPerPod,
      draining: () => this.#draining,
      fallback: (plan) => this.#fallback(plan),
      misdeclared: (plan, spoken) => {
        const port = misdeclaredPort(plan, spoken);
        if (port !== undefined && this.#misdeclared.note(port))
          this.#tell({ kind: "misdeclared", port });
      },
      dial: plaintext(loop, { connectTimeoutMs: timeouts.connectMs, ...this.#init }),
      heads: new HeadPool({ maxHeadBytes: limits.maxHeadBytes, maxFields: limits.maxHeaders }),
      slots: this.#slots,
      scratch: new Uint8Array(limits.maxHeadBytes + HEAD_ROOM_BYTES),
      timers: loop,
      now: () => loop.now,
      fineNow: () => performance.now(),
      recorder: new Counting({
        metrics: this.#metrics,
        workload: (uid) => this.#directory.workload(uid),
        accessLog: new AccessLogger({
          rate: this.#init.accessLog,
          random: Math.random,
          ring: this.#init.log,
        }),
        wallClock: Date.now,
      }),
      timeouts,
      tie: (client, server, watcher) => this.#tie(client, server, watcher),
    };
  }

  #tie(client: Channel, server: Channel, watcher: TieWatcher): void {
    const options = { left: client, right: server, idleTimeoutMs: this.#init.timeouts.idleMs };
    relay(this.#loop, options, {
      onRelayEnd: (_relay, end) => watcher.onEnd(end.side === "idle" ? "idle" : "closed"),
      onFirstData: (side, bytes) => {
        if (side === "right") watcher.onServerFirst?.(bytes);
      },
    });
  }

  #fallback(plan: Plan): Plan["destination"] | undefined {
    const workload = (uid: string): Workload | undefined => this.#directory.workload(uid);
    const facts = fallbackFacts(plan, this.#controlAway, workload);
    if (decideFallback(facts) === "refuse") return undefined;
    const service = serviceOf(plan);
    this.#metrics.counter("fallbacks", { dst_service: service }).add(1);
    if (this.#fellBack.warns(service)) this.#tell({ kind: "fell-back", service });
    return plan.destination;
  }

  #tell(message: FromWorker): void {
    this.#port.postMessage(message);
  }

  #receive(): void {
    for (;;) {
      const received: { message: ToWorker } | undefined = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#obey(received.message);
    }
  }

  #obey(message: ToWorker): void {
    switch (message.kind) {
      case "snapshot":
        this.#directory.apply(message.delta);
        this.#retirePools();
        this.#tell({ kind: "applied", ...message.delta });
        return;
      case "pod-added":
        this.#addPod(message.pod);
        return;
      case "pod-watched":
        this.#watch(message.uid);
        return;
      case "pod-gone":
        this.#remove(message.uid);
        return;
      case "drain":
        this.#drain();
        return;
      case "cut":
        this.#cut();
        return;
      case "control":
        this.#controlAway = message.away;
        return;
      case "stop":
        this.#loop.stop();
        return;
      case "ask":
        this.#tell({ kind: "answer", id: message.id, rows: this.#answer(message.question) });
    }
  }

  #addPod(init: PodInit): void {
    const pod = new LocalPod(init, this.#tally);
    const quiet = new Timer({ onTimer: () => this.#tellIdle(served) });
    const served: ServedPod = { pod, listener: undefined, watched: false, quiet };
    this.#pods.set(init.uid, served);
    this.#directory.learn(init.uid, init.addresses);
    pod.onIdle = () => this.#report(served);
    const from = { fd: init.listenerFd, owner: this.#loop.owner(init.owner) };
    served.listener = listen(this.#loop, from, {
      onAccept: (accepted) => this.#accept(pod, accepted),
      onAcceptFailed: (errno, fatal) => this.#acceptFailed(errno, fatal),
    });
  }

  #accept(pod: LocalPod, { channel, local, remote }: Accepted): void {
    handleConnection(this.#context, pod, channel, {
      pod: pod.uid,
      listenerPort: pod.listenerPort,
      client: { address: remote.ip, port: remote.port },
      destination: { address: local.ip, port: local.port },
    });
  }

  /** A listener that accepts nothing more would leave clients hanging in its backlog: better no agent. */
  #acceptFailed(errno: string, fatal: boolean): void {
    if (fatal) throw new FatalError(`a listener broke: ${errno}`);
    const detail = `accept: ${errno}`;
    this.#context.recorder.refused("unknown", {
      kind: "refusal",
      reason: errno === "EMFILE" || errno === "ENFILE" ? "descriptor-limit" : "internal",
      detail,
    });
  }

  #watch(uid: string): void {
    const served = this.#pods.get(uid);
    if (served === undefined) this.#tell({ kind: "pod-idle", uid });
    else served.watched = true;
    if (served !== undefined) this.#report(served);
  }

  #remove(uid: string): void {
    const served = this.#pods.get(uid);
    if (served === undefined) {
      this.#tell({ kind: "pod-empty", uid });
      return;
    }
    served.listener?.close();
    served.listener = undefined;
    for (const one of [...served.pod.carried]) one.cut();
    this.#report(served);
  }

  /** Tells main when nothing of the pod is carried; a removed pod is forgotten then. */
  #report(served: ServedPod): void {
    const { pod } = served;
    if (pod.carried.size > 0) return;
    if (this.#draining) this.#loop.arm(this.#drained, this.#quietMs);
    if (served.watched) this.#loop.arm(served.quiet, QUIET_MS);
    if (served.listener !== undefined) return;
    const { uid } = pod;
    this.#loop.cancel(served.quiet);
    this.#tellIdle(served);
    pod.closeIdle();
    this.#pods.delete(uid);
    this.#directory.unlearn(uid);
    this.#loop.forgetOwner(pod.owner);
    this.#tell({ kind: "pod-empty", uid });
  }

  #tellIdle(served: ServedPod): void {
    const { uid, carried } = served.pod;
    if (!served.watched || carried.size > 0) return;
    served.watched = false;
    this.#tell({ kind: "pod-idle", uid });
  }

  #drain(): void {
    this.#draining = true;
    for (const { pod } of this.#pods.values()) for (const one of [...pod.carried]) one.drain();
    this.#loop.arm(this.#drained, this.#quietMs);
  }

  #cut(): void {
    this.#quietMs = 0;
    const why = refuse("drain-deadline", "the agent ended before the connection did");
    for (const { pod } of this.#pods.values()) for (const one of [...pod.carried]) one.cut(why);
    this.#loop.arm(this.#drained, this.#quietMs);
  }

  #tellDrained(): void {
    for (const { pod } of this.#pods.values()) if (pod.carried.size > 0) return;
    this.#tell({ kind: "drained" });
  }

  /** Endpoints that left or may not be used lose their idle connections at once: none is used by mistake. */
  #retirePools(): void {
    const usable = new Set<LiveEndpoint>();
    for (const { state } of this.#directory.active())
      for (const endpoint of state.endpoints) if (endpoint.state === "ready") usable.add(endpoint);
    for (const { pod } of this.#pods.values()) pod.retirePools((endpoint) => usable.has(endpoint));
  }

  #keepHouse(): void {
    const limit = this.#loop.now - this.#init.timeouts.poolIdleMs;
    for (const { pod } of this.#pods.values()) {
      for (const one of pod.carried) one.account();
      pod.expireIdle(limit);
    }
    this.#gauges.update(this.#directory.active());
    this.#metrics.sweep();
    this.#loop.arm(this.#housekeeping, HOUSEKEEPING_MS);
  }

  #answer(question: Question): Row[] {
    const rows = question === "connections" ? this.#connections() : this.#endpoints();
    const bounded: Row[] = [];
    for (const row of rows) if (bounded.push(row) >= MAX_ROWS) break;
    return bounded;
  }

  *#connections(): Generator<Row> {
    const worker = this.#init.index;
    for (const { pod } of this.#pods.values())
      for (const one of pod.carried) yield { worker, pod: pod.uid, ...one.describe() };
  }

  *#endpoints(): Generator<Row> {
    const worker = this.#init.index;
    for (const { service, port, state } of this.#directory.active())
      for (const { address, port: target, state: condition, health, active } of state.endpoints)
        yield {
          worker,
          service: `${service.namespace}/${service.name}`,
          port: port.port,
          endpoint: `${address} ${target}`,
          state: condition,
          health,
          active,
        };
  }
}

/** Ends the worker, and with it the agent (ARCHITECTURE.md, decision 8). */
class FatalError extends Error {}

/** The retries that a service may always have are the agent's; requests and so their share come to each worker anyway. */
function balanceSettings(workers: number): BalanceSettings {
  const { retriesPerSecond } = DEFAULT_BALANCE_SETTINGS;
  return {
    ...DEFAULT_BALANCE_SETTINGS,
    retriesPerSecond: Math.max(1, retriesPerSecond / workers),
  };
}

function endpointStates(
  node: string,
  settings: BalanceSettings,
): ConstructorParameters<typeof Directory<EndpointSet>>[0] {
  return {
    create: (service, port) =>
      new EndpointSet(portSpecOf(service, port, node), {
        name: `${serviceKey(service)}:${port.port}`,
        settings,
        clock: () => performance.now(),
        random: Math.random,
      }),
    update: (state, service, port) => state.update(portSpecOf(service, port, node)),
    remove: (state) => state.update({ balance: { kind: "random" }, endpoints: [] }),
  };
}

new DataWorker(workerData as WorkerInit).run();
