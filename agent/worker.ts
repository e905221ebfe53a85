/**
 * Composition root of a data worker: builds the loop, the flow and the transport, then turns for ever.
 * Runs as a worker thread; everything it is told comes through one MessagePort, drained when main rings.
 */

import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { touches } from "#model/kinds.ts";
import { MisdeclaredPorts } from "#model/misdeclared.ts";
import { type Refusal, refuse } from "#model/refusal.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";
import type { Channel } from "./engine/channel.ts";
import type { Accepted } from "./engine/listen.ts";
import { Loop } from "./engine/loop.ts";
import { type RelayEnd, relay } from "./engine/relay.ts";
import { Timer } from "./engine/timers.ts";
import { authorizeEndpoint, reauthorize } from "./flow/authorize.ts";
import { EndpointGauges } from "./flow/balance/endpoint-gauges.ts";
import type { EndpointSet } from "./flow/balance/endpoint-set.ts";
import type { LiveEndpoint } from "./flow/balance/live-endpoint.ts";
import { closedRefusal } from "./flow/closed-refusal.ts";
import { type FlowContext, handleConnection } from "./flow/connection.ts";
import { Counting } from "./flow/count.ts";
import { ServerFirstMemory } from "./flow/detect.ts";
import { Directory } from "./flow/directory.ts";
import { endpointStates } from "./flow/endpoint-states.ts";
import { decideFallback, FallbackWarnings, fallbackFacts, serviceOf } from "./flow/fallback.ts";
import { misdeclaredPort } from "./flow/misdeclared.ts";
import { Observer } from "./flow/observe.ts";
import { Observing } from "./flow/observing.ts";
import type { Plan } from "./flow/plan.ts";
import type { LocalPod } from "./flow/pod.ts";
import { isBehindAgent } from "./flow/request/unserved.ts";
import { type CutTie, idleRefusal, type TieWatcher } from "./flow/tie.ts";
import { Sockets } from "./kernel/sockets.ts";
import { collectGarbage } from "./memory.ts";
import type {
  Answer,
  Command,
  FromWorker,
  Question,
  Row,
  ToWorker,
  WorkerInit,
} from "./messages.ts";
import { AccessLogger } from "./telemetry/access-log.ts";
import { SpanWriter } from "./telemetry/span.ts";
import { WorkerMetrics } from "./telemetry/worker-metrics.ts";
import { HeadPool } from "./transport/head-pool.ts";
import { HeadSlots } from "./transport/head-slots.ts";
import { plaintext } from "./transport/plaintext.ts";
import { Beat } from "./worker/beat.ts";
import { Commands, DONE, type Outcome, type Reply } from "./worker/commands.ts";
import { Departure } from "./worker/departure.ts";
import { OwnHost } from "./worker/own-host.ts";
import { bounded, connectionRows, endpointRows } from "./worker/rows.ts";
import { ServedPods } from "./worker/served-pods.ts";

/** How often byte counters are brought up to date, idle connections expire and series are swept. */
const HOUSEKEEPING_MS = 1000;

/** How often main hears again of a port that declares what is not spoken there. */
const MISDECLARED_AGAIN_MS = 10 * 60_000;

/** How often main hears again of a Service whose connections go to its ClusterIP. */
const FELL_BACK_AGAIN_MS = 60_000;

/** Room beside the largest head for the lines that the mesh adds. */
const HEAD_ROOM_BYTES = 1024;

class DataWorker {
  readonly #init: WorkerInit;
  readonly #port: MessagePort;
  readonly #loop: Loop;
  readonly #metrics: WorkerMetrics;
  readonly #gauges: EndpointGauges;
  readonly #slots: HeadSlots = new HeadSlots();
  readonly #heads: HeadPool;
  readonly #directory: Directory<EndpointSet>;
  readonly #observer: Observer;
  readonly #context: FlowContext;
  readonly #pods: ServedPods;
  readonly #departure: Departure;
  readonly #commands: Commands;
  readonly #misdeclared: MisdeclaredPorts = new MisdeclaredPorts(
    MISDECLARED_AGAIN_MS,
    () => this.#loop.now,
  );
  readonly #fellBack = new FallbackWarnings(() => this.#loop.now, FELL_BACK_AGAIN_MS);
  readonly #ownHost: OwnHost = new OwnHost(() => this.#loop.now);
  #controlAway = false;
  readonly #housekeeping: Timer = new Timer({ onTimer: () => this.#keepHouse() });

  constructor(init: WorkerInit) {
    this.#init = init;
    this.#port = init.port;
    this.#loop = new Loop({
      system: new Sockets(init.mapFds),
      memoryLimitBytes: init.limits.maxBufferedBytes,
      ownerMemoryLimitBytes: init.limits.maxBufferedBytesPerPod,
    });
    this.#metrics = new WorkerMetrics(init.metrics);
    this.#gauges = new EndpointGauges(this.#metrics);
    this.#directory = new Directory<EndpointSet>(
      endpointStates({
        node: init.node,
        workers: init.workers,
        clock: () => performance.now(),
        random: Math.random,
      }),
    );
    this.#observer = new Observer({
      node: init.node,
      workload: (uid) => this.#directory.workload(uid),
      accessLog: init.accessLog,
      trace: init.spans && init.trace,
      random: Math.random,
    });
    this.#pods = this.#buildPods();
    this.#departure = new Departure(this.#loop, this.#pods);
    const { maxHeadBytes, maxHeaders: maxFields } = this.#init.limits;
    this.#heads = new HeadPool({ maxHeadBytes, maxFields });
    this.#context = this.#buildContext();
    this.#commands = new Commands({
      obey: (command, reply) => this.#obey(command, reply),
      send: (id, answer) => this.#tell({ kind: "answer", id, answer }),
      onBug: (error) => this.#bug(error),
    });
    this.#loop.onWake = () => this.#receive();
    this.#loop.onTurnEnd = () => this.#slots.recycle();
    this.#loop.onBug = (error) => this.#bug(error);
  }

  run(): void {
    this.#tell({ kind: "started", wakeFd: this.#loop.wakeFd });
    this.#loop.arm(this.#housekeeping, HOUSEKEEPING_MS);
    collectGarbage();
    new Beat({ ...this.#init, loop: this.#loop });
    this.#loop.run();
    this.#loop.dispose();
    this.#port.close();
  }

  #buildPods(): ServedPods {
    return new ServedPods({
      loop: this.#loop,
      tally: {
        carried: 0,
        pools: {
          timers: this.#loop,
          now: () => this.#loop.now,
          rideMs: this.#init.timeouts.poolIdleMs,
        },
      },
      onAccept: (pod, accepted) => this.#accept(pod, accepted),
      onAcceptFailed: (errno, fatal) => this.#acceptFailed(errno, fatal),
      onAddresses: (uid, addresses) => {
        if (addresses === undefined) this.#directory.unlearn(uid);
        else this.#directory.learn(uid, addresses);
      },
      onIdle: () => this.#departure.idle(),
      onBug: (text) => this.#tell({ kind: "bug", text }),
    });
  }

  #buildContext(): FlowContext {
    const { limits, timeouts } = this.#init;
    const loop = this.#loop;
    return {
      directory: this.#directory,
      serverFirst: new ServerFirstMemory(),
      maxConnections: limits.maxConnections,
      maxConnectionsPerPod: limits.maxConnectionsPerPod,
      draining: () => this.#departure.begun,
      fallback: (plan) => this.#fallback(plan),
      misdeclared: (plan, spoken) => {
        const port = misdeclaredPort(plan, spoken);
        if (port !== undefined && this.#misdeclared.note(port))
          this.#tell({ kind: "misdeclared", port });
      },
      dial: plaintext(loop, this.#init),
      permitted: (permit, { workload: uid = "" }) =>
        authorizeEndpoint(permit, this.#directory.workload(uid)),
      behindAgent: (endpoint) =>
        isBehindAgent(this.#directory.workloadAt(endpoint.address), endpoint, this.#init.node),
      isOwnHost: (address) => this.#ownHost.has(address),
      heads: this.#heads,
      slots: this.#slots,
      scratch: new Uint8Array(limits.maxHeadBytes + HEAD_ROOM_BYTES),
      timers: loop,
      now: () => loop.now,
      recorder: new Counting({
        metrics: this.#metrics,
        workload: (uid) => this.#directory.workload(uid),
        node: this.#init.node,
        observing: new Observing({
          observer: this.#observer,
          accessLog: new AccessLogger(this.#init.log),
          spans: this.#init.spans && new SpanWriter(this.#init.spans),
          workload: (uid) => this.#directory.workload(uid),
          now: () => loop.now,
          wallClock: Date.now,
        }),
      }),
      timeouts,
      tie: (client, server, watcher) => this.#tie(client, server, watcher),
    };
  }

  #tie(client: Channel, server: Channel, watcher: TieWatcher): CutTie {
    const options = { left: client, right: server, idleTimeoutMs: this.#init.timeouts.idleMs };
    let cutBy: Refusal | undefined;
    const tied = relay(this.#loop, options, {
      onRelayEnd: (_relay, end) => watcher.onEnd(cutBy ?? relayRefusal(end)),
      onFirstData: (side, bytes) => {
        if (side === "right") watcher.onServerFirst?.(bytes);
      },
    });
    return (why) => {
      cutBy ??= why;
      tied.cut();
    };
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

  #bug(error: unknown): void {
    if (error instanceof FatalError) throw error;
    const text = error instanceof Error ? (error.stack ?? "") : String(error);
    this.#tell({ kind: "bug", text });
  }

  #receive(): void {
    for (;;) {
      const received: { message: ToWorker } | undefined = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#commands.take(received.message);
    }
  }

  #obey(command: Command, reply: Reply): Outcome {
    switch (command.kind) {
      case "apply":
        return this.#apply(command.delta);
      case "serve":
        return this.#pods.serve(command.pod);
      case "move":
        return this.#pods.move(command.uid, command.listenerFd);
      case "watch":
        return this.#pods.watch(command.uid, reply);
      case "forget":
        return this.#pods.forget(command.uid, reply);
      case "drain":
        return this.#departure.drain(reply);
      case "cut":
        return this.#departure.cut(reply);
      case "control":
        this.#controlAway = command.away;
        return DONE;
      case "ask":
        return this.#answer(command.question);
      case "stop":
        this.#loop.stop();
        return DONE;
    }
  }

  #apply(delta: SnapshotDelta): Outcome {
    this.#directory.apply(delta);
    this.#observer.apply(delta);
    if (touches(delta, "pools")) this.#retirePools();
    this.#pods.judge((permit) => reauthorize(permit, (uid) => this.#directory.workload(uid)));
    return DONE;
  }

  #accept(pod: LocalPod, { channel, local, remote }: Accepted): void {
    handleConnection(this.#context, pod, channel, {
      pod: pod.uid,
      client: { address: remote.ip, port: remote.port },
      destination: { address: local.ip, port: local.port },
    });
  }

  /** A listener that accepts nothing more would leave clients hanging in its backlog: better no agent. */
  #acceptFailed(errno: string, fatal: boolean): void {
    if (fatal) throw new FatalError(`a listener broke: ${errno}`);
    const full = errno === "EMFILE" || errno === "ENFILE";
    const refusal = refuse(full ? "descriptor-limit" : "internal", `accept: ${errno}`);
    this.#context.recorder.refused({ reporter: "source", refusal, identified: undefined });
  }

  #retirePools(): void {
    const usable = new Set<LiveEndpoint>();
    for (const { state } of this.#directory.active())
      for (const endpoint of state.endpoints) if (endpoint.state === "ready") usable.add(endpoint);
    this.#pods.retirePools((endpoint) => usable.has(endpoint));
  }

  #keepHouse(): void {
    this.#pods.keepHouse();
    this.#gauges.update(this.#directory.active());
    this.#metrics.sweep();
    this.#loop.arm(this.#housekeeping, HOUSEKEEPING_MS);
  }

  #answer(question: Question): Answer {
    const { index } = this.#init;
    switch (question) {
      case "connections":
        return { kind: "rows", rows: bounded(connectionRows(index, this.#pods.pods())) };
      case "endpoints":
        return { kind: "rows", rows: bounded(endpointRows(index, this.#directory)) };
      case "held":
        return { kind: "rows", rows: [this.#held()] };
    }
  }

  #held(): Row {
    const { armedTimers: timers, budget } = this.#loop;
    const [heads, slots] = [this.#heads.taken, this.#slots.taken];
    return { worker: this.#init.index, timers, heads, slots, bytes: budget.heldBytes };
  }
}

function relayRefusal({ side, cause }: RelayEnd): Refusal | undefined {
  if (side === "idle") return idleRefusal();
  return side === "cut" ? undefined : closedRefusal(side === "left" ? "client" : "server", cause);
}

/** Ends the worker, and with it the agent (ARCHITECTURE.md, decision 8). */
class FatalError extends Error {}

new DataWorker(workerData as WorkerInit).run();
