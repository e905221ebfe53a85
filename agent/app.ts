/**
 * Composition root of the agent's main thread: builds every part in dependency order and disposes of them
 * in the opposite order. Nothing else constructs parts.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { touches } from "#model/kinds.ts";
import { MisdeclaredPorts } from "#model/misdeclared.ts";
import { fullDelta } from "#model/snapshot-delta.ts";
import type { AgentConfig } from "./config.ts";
import { MeshBpf } from "./kernel/bpf.ts";
import { resolveCgroup } from "./kernel/cgroup.ts";
import { Heartbeat } from "./kernel/heartbeat.ts";
import { MARK_INBOUND, MARK_UPSTREAM } from "./kernel/layout.gen.ts";
import { NodeLock } from "./kernel/lock.ts";
import type { MapFds } from "./kernel/sockets.ts";
import { Drain, endOnce, Prerequisites } from "./lifecycle.ts";
import type { Log } from "./log.ts";
import { collectGarbage, RETURN_MS, returnFreed } from "./memory.ts";
import { openPages } from "./pages.ts";
import { MainPulse } from "./pulse.ts";
import { DirectoryLocator, type PodLocator } from "./redirect/locator.ts";
import { ProcLocator } from "./redirect/proc-locator.ts";
import { Redirect } from "./redirect/redirect.ts";
import { Absence } from "./state/absence.ts";
import { readSnapshotFile, SnapshotFile } from "./state/file.ts";
import { connectCleartext, connectTls } from "./state/session.ts";
import { SnapshotStore } from "./state/store.ts";
import { followControl, type StreamStatus } from "./state/stream.ts";
import { AccessLog, type LogSink } from "./telemetry/access-log.ts";
import { createBlock } from "./telemetry/block.ts";
import { readBuildInfo } from "./telemetry/build-info.ts";
import { Collector } from "./telemetry/collector.ts";
import { createLogRing } from "./telemetry/log-ring.ts";
import { SpanExport } from "./telemetry/span-export.ts";
import { Workers } from "./workers.ts";

/** What the process gives the app. */
export interface AppInputs {
  readonly config: AgentConfig;
  readonly log: Log;
  /** Where access-log lines go. */
  readonly accessLog: LogSink;
  /** A part that nothing can go on without has failed: the process shall end. */
  readonly onFatal: (error: Error) => void;
}

/** A running agent. */
export interface App {
  /** Drains (at most the configured time), then stops everything. Again: drains no longer, and waits for the same end. */
  stop(): Promise<void>;
}

/** A thousand spans and more: 5,000 a second of one worker. */
const SPAN_RING_BYTES = 1 << 20;

/** How often the access log is written, and spans are sent. */
const FLUSH_MS = 250;

/** How long a port that declares what is not spoken there is known to control after it was last seen. */
const MISDECLARED_MS = 30 * 60_000;

/** How long after its start the main thread has read its first snapshot and set up the pods that were there. */
const SETTLED_MS = 1_000;

/** How often idle series are looked for. */
const COLLECT_MS = 60_000;

/** Builds and starts everything. Rejects when a part can't start; what was started is undone then. */
export async function startApp(inputs: AppInputs): Promise<App> {
  await using parts = new AsyncDisposableStack();
  const { config, log } = inputs;
  const readiness = new Prerequisites(() => performance.now());
  const synced = readiness.await("a snapshot, from control or the last good one");

  const telemetry = await startTelemetry(inputs, parts);
  const { pinDirectory } = config;
  parts.use(new NodeLock(pinDirectory));
  const bpf = parts.use(new MeshBpf({ pinDirectory, cgroup: resolveCgroup(config.cgroup) }));
  let clean = false;
  parts.defer(() => {
    if (clean) bpf.uninstall();
  });
  const misdeclared = new MisdeclaredPorts(MISDECLARED_MS, () => performance.now());
  const workers = makeWorkers(inputs, telemetry, misdeclared, bpf.mapFds);
  await workers.start();
  parts.defer(() => workers.stop());

  const locator = parts.use(makeLocator(config));
  const { node, proc } = config;
  const redirect = parts.use(
    new Redirect({
      ...{ node, workers: config.workers, kernel: bpf, locator, users: workers, proc },
      onRemark: (uid, remark) => log("warn", "a pod is caught in part", { pod: uid, remark }),
    }),
  );
  parts.use(
    new MainPulse({
      pulse: workers.pulse,
      heartbeat: new Heartbeat(bpf.mapFds.heartbeat),
      onHang: (index) => inputs.onFatal(new Error(`data worker ${index} hangs`)),
    }),
  );

  const store = new SnapshotStore(Date.now);
  await follow({ inputs, store, workers, redirect, misdeclared, parts, onSynced: synced });

  const port = await openPages({
    ...{ config, log, parts, store, workers, redirect, readiness },
    ...telemetry,
  });
  log("info", "agent started", { node, metrics: port, workers: config.workers });
  const settled = setTimeout(collectGarbage, SETTLED_MS);
  parts.defer(() => clearTimeout(settled));
  const returning = setInterval(returnFreed, RETURN_MS).unref();
  parts.defer(() => clearInterval(returning));

  const drain = drainOf({ workers, redirect, log, deadlineMs: config.timeouts.drainMs });
  const running = parts.move();
  const end = endOnce(drain, async () => {
    clean = await redirect.leave();
    await running.disposeAsync();
  });
  return {
    stop: () => {
      if (drain.state.kind === "serving") readiness.await("nothing: the agent is shutting down");
      return end();
    },
  };
}

function makeLocator({ pods, proc }: AgentConfig): PodLocator {
  if (pods.kind === "directory") return new DirectoryLocator(pods.directory);
  return new ProcLocator({ proc, cgroups: "/sys/fs/cgroup" });
}

function makeWorkers(
  { config, log, onFatal }: AppInputs,
  { blocks, rings, spanRings }: Telemetry,
  misdeclared: MisdeclaredPorts,
  mapFds: MapFds,
): Workers {
  return new Workers({
    count: config.workers,
    metrics: blocks,
    logs: rings,
    spans: spanRings,
    settings: {
      node: config.node,
      upstreamMark: MARK_UPSTREAM,
      inboundMark: MARK_INBOUND,
      mapFds,
      limits: config.limits,
      timeouts: config.timeouts,
      accessLog: config.accessLog,
      trace: config.trace.share,
    },
    onBug: (text) => log("error", "a handler failed; its connection was reset", { error: text }),
    onFallback: (service) =>
      log("warn", "no known endpoint answers and control is away: going to the ClusterIP", {
        service,
      }),
    onMisdeclared: (port) => misdeclared.renew(port),
    onDeath: (index, error) =>
      onFatal(new Error(`data worker ${index} died: ${error.stack ?? error.message}`)),
  });
}

/** What counts, shared by workers and pages. */
interface Telemetry {
  readonly blocks: readonly SharedArrayBuffer[];
  readonly rings: readonly SharedArrayBuffer[];
  /** Undefined: there is nowhere to send spans. */
  readonly spanRings: readonly SharedArrayBuffer[] | undefined;
  readonly spans: SpanExport | undefined;
  readonly collector: Collector;
  readonly accessLog: AccessLog;
}

async function startTelemetry(inputs: AppInputs, parts: AsyncDisposableStack): Promise<Telemetry> {
  const { config, accessLog: sink } = inputs;
  const collector = new Collector({ clock: () => performance.now() });
  const accessLog = new AccessLog(sink);
  const blocks = Array.from({ length: config.workers }, () => createBlock());
  const rings = blocks.map(() => createLogRing());
  for (const block of blocks) collector.attach(block);
  for (const ring of rings) accessLog.attach(ring);
  const timers = [
    setInterval(() => accessLog.flush(), FLUSH_MS).unref(),
    // Idle series are let go here, also when nobody scrapes.
    setInterval(() => collector.collect(), COLLECT_MS).unref(),
  ];
  parts.defer(() => {
    for (const timer of timers) clearInterval(timer);
    accessLog.flush();
  });
  return { blocks, rings, collector, accessLog, ...(await startTracing(inputs, parts)) };
}

/** Spans are sent from here, if there is a collector. */
async function startTracing(
  { config, log }: AppInputs,
  parts: AsyncDisposableStack,
): Promise<Pick<Telemetry, "spanRings" | "spans">> {
  const { endpoint } = config.trace;
  if (endpoint === undefined) return { spanRings: undefined, spans: undefined };
  const { version } = readBuildInfo();
  // OpenTelemetry's libraries are loaded where they are used.
  const { openOtlp } = await import("./telemetry/otlp.ts");
  const sender = await openOtlp(endpoint, { node: config.node, version });
  const rings = Array.from({ length: config.workers }, () => createLogRing(SPAN_RING_BYTES));
  const spans = new SpanExport({
    ...{ sender, rings },
    onChange: (problem) => {
      if (problem === undefined) log("info", "the collector takes spans again");
      else log("warn", "spans are lost: the collector does not take them", { problem });
    },
  });
  const timer = setInterval(() => spans.flush(), FLUSH_MS).unref();
  parts.defer(async () => {
    clearInterval(timer);
    await spans.close();
  });
  return { spanRings: rings, spans };
}

interface Following {
  readonly inputs: AppInputs;
  readonly store: SnapshotStore;
  readonly workers: Workers;
  readonly redirect: Redirect;
  readonly misdeclared: MisdeclaredPorts;
  readonly parts: AsyncDisposableStack;
  readonly onSynced: () => void;
}

/** Starts from the last good file, then follows control for life. */
async function follow(following: Following): Promise<void> {
  const { inputs, store, workers, redirect, parts } = following;
  const { config, log } = inputs;
  mkdirSync(config.stateDirectory, { recursive: true, mode: 0o700 });
  const path = join(config.stateDirectory, "snapshot");
  const enforce: Parameters<typeof followControl>[0]["enforce"] = async (snapshot, delta) => {
    // Who will carry a connection knows the world before the kernel hands it over.
    await workers.apply(delta);
    if (touches(delta, "redirect")) await redirect.apply(snapshot);
  };
  const file = parts.use(
    new SnapshotFile({
      path,
      onProblem: (problem) => log("warn", "the last good snapshot was not kept", { problem }),
    }),
  );
  const kept = await readSnapshotFile(path);
  if (kept.kind === "unusable") log("warn", "the last good snapshot is unusable", { ...kept });
  if (kept.kind === "snapshot") {
    store.restore(kept.snapshot);
    await enforce(kept.snapshot, fullDelta(kept.snapshot));
    // Ready without control: what was good a moment ago is enforced, control would change little, and a rolling
    // update must not come to a stop at the first node because control is away.
    following.onSynced();
    log("info", "started from the last good snapshot", { version: kept.snapshot.version });
  }
  const absence = parts.use(new Absence(config.controlAwayMs, (away) => workers.control(away)));
  const control = new AbortController();
  const followed = followControl({
    connect: () => connectControl(config),
    node: config.node,
    store,
    outdated: kept.kind === "snapshot" && kept.outdated === true,
    enforce: async (snapshot, delta) => {
      await enforce(snapshot, delta);
      file.keep(snapshot);
      following.onSynced();
    },
    misdeclared: following.misdeclared,
    onStatus: (status) => {
      logStatus(log, status);
      absence.hear(status);
    },
    signal: control.signal,
    random: Math.random,
  });
  parts.defer(async () => {
    control.abort();
    await followed;
  });
}

/** TLS is for TCP: on a unix socket the folder's rights say who may. */
function connectControl({ control, controlTls }: AgentConfig): ReturnType<typeof connectCleartext> {
  if (controlTls === undefined || control.kind === "unix") return connectCleartext(control);
  return connectTls({ ...controlTls, host: control.host, port: control.port });
}

function logStatus(log: Log, status: StreamStatus): void {
  if (status.kind === "lost")
    log("warn", "control is away; the last snapshot stays in force", { ...status });
  else if (status.kind === "connected") log("info", "control answered");
}

interface Draining {
  readonly workers: Workers;
  readonly redirect: Redirect;
  readonly log: Log;
  readonly deadlineMs: number;
}

function drainOf({ workers, redirect, log, deadlineMs }: Draining): Drain {
  return new Drain({
    parts: [
      {
        name: "connections",
        // New connections go where mesh/fail sends them, without a moment in which they are refused for the drain.
        stopAccepting: () => redirect.release(),
        // A worker that died has ended the agent already: nothing is left to wait for.
        idle: () => workers.drained().catch(() => {}),
        force: async () => {
          const { length } = await workers.ask("connections");
          if (length > 0)
            log("warn", "connections were cut at the drain deadline", { connections: length });
          await workers.cut().catch((cause: unknown) => {
            log("warn", "not every connection could be cut", { problem: String(cause) });
          });
        },
      },
    ],
    deadlineMs,
    after: (milliseconds, callback) => {
      const timer = setTimeout(callback, milliseconds);
      return () => clearTimeout(timer);
    },
  });
}
