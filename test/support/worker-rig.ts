/**
 * A real data worker on loopback addresses, without eBPF: POD is the client pod's address, and every service
 * lives at VIP on a listener of its own. What is left out is only how connections get there.
 */

import { DEFAULT_ENROLMENT, type Enrolment, type TraceShare } from "#model/enrolment.ts";
import type { MisdeclaredPort } from "#model/misdeclared.ts";
import type { Connections, Endpoint, Service } from "#model/service.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import type { DeclaredProtocol, Workload } from "#model/workload.ts";
import type { DataLimits, DataTimeouts } from "../../agent/config.ts";
import { openListener } from "../../agent/engine/listen.ts";
import { NO_MAPS, Sockets } from "../../agent/kernel/sockets.ts";
import type { Row } from "../../agent/messages.ts";
import { createBlock } from "../../agent/telemetry/block.ts";
import { Collector } from "../../agent/telemetry/collector.ts";
import { createLogRing, LogRingReader } from "../../agent/telemetry/log-ring.ts";
import { type MetricKey, specOf } from "../../agent/telemetry/metrics.ts";
import type { SpanRecord } from "../../agent/telemetry/span.ts";
import { Workers } from "../../agent/workers.ts";

/** Address of the client pod: bind clients to it. */
export const POD = "127.0.0.2";
/** Address of every service: dial it. */
export const VIP = "127.0.0.3";

/** Settings that tests change; the rest is the agent's defaults. */
export interface RigOptions {
  readonly limits?: Partial<DataLimits>;
  /** `requestMs`: the name that `responseHeadMs` had. */
  readonly timeouts?: Partial<DataTimeouts> & { readonly requestMs?: number };
  /** Pods beside the client's; without them the endpoints' address is that of an enrolled pod of another node. */
  readonly pods?: readonly RigPod[];
  /** The map that the worker tells the kernel by that it works; default none. */
  readonly heartbeatFd?: number;
  /** What the client's pod asks for beyond being in the mesh. */
  readonly client?: Partial<Enrolment>;
  /** What is traced of pods that say nothing; without it there is nowhere to send spans. */
  readonly trace?: TraceShare;
}

/** A pod of the rig: as the endpoints' one, but for what is given. */
export interface RigPod extends Partial<Omit<Workload, "enrolment">> {
  readonly uid: string;
  /** `none`: it is not in the mesh. */
  readonly enrolment?: Enrolment | "none";
}

/** What a service of the rig looks like. */
export interface RigService {
  readonly protocol?: DeclaredProtocol;
  readonly balance?: Service["balance"];
  readonly affinitySeconds?: number;
  readonly connections?: Connections;
  readonly endpoints: readonly (Pick<Endpoint, "address" | "port"> & Partial<Endpoint>)[];
}

const LIMITS: DataLimits = {
  maxHeadBytes: 131_072,
  maxHeaders: 256,
  maxConnections: 100_000,
  maxConnectionsPerPod: 20_000,
  maxBufferedBytesPerPod: 64 << 20,
  maxBufferedBytes: 512 << 20,
};

const TIMEOUTS: DataTimeouts = {
  connectMs: 3000,
  headMs: 60_000,
  responseHeadMs: 0,
  idleMs: 0,
  poolIdleMs: 1000,
  drainMs: 30_000,
};

const CLIENT: Workload = {
  uid: "client",
  name: "client",
  namespace: "default",
  owner: "client",
  serviceAccount: "default",
  node: "rig",
  addresses: [POD],
  enrolment: DEFAULT_ENROLMENT,
  ports: [],
};

/** The endpoints' pod, enrolled on another node: an agent speaks for it. */
const SERVER: Workload = {
  ...CLIENT,
  uid: "server",
  name: "server",
  owner: "server",
  node: "elsewhere",
  addresses: ["127.0.0.1"],
};

/** Some series of one metric together. */
export interface Series {
  /** Of each one. */
  readonly labels: readonly Readonly<Record<string, string>>[];
  /** Of the counters, or of all that histograms observed. */
  readonly sum: number;
  /** Of histograms: how often. */
  readonly observations: number;
}

function workloadOf({ enrolment, ...pod }: RigPod): Workload {
  const { enrolment: usual, ...other } = SERVER;
  const made = { ...other, name: pod.uid, owner: pod.uid, ...pod };
  const enrolled = enrolment ?? usual;
  return enrolled === undefined || enrolled === "none" ? made : { ...made, enrolment: enrolled };
}

/** What a worker says by itself. */
export interface WorkerSaid {
  /** Ring of its access log. */
  readonly log: SharedArrayBuffer;
  /** Ring of its spans. */
  readonly spans: SharedArrayBuffer;
  /** What went wrong in it. */
  readonly bugs: string[];
  /** Services of which the worker said that their connections go to the ClusterIP. */
  readonly fallbacks: string[];
  /** What the worker said of ports that declare what is not spoken there. */
  readonly misdeclared: MisdeclaredPort[];
}

/** One worker, not started yet, with the rig's settings; `said` takes what it says. */
export function rigWorkers(options: RigOptions, collector: Collector, said: WorkerSaid): Workers {
  const block = createBlock();
  collector.attach(block);
  const { requestMs: responseHeadMs = 0, ...timeouts } = options.timeouts ?? {};
  return new Workers({
    count: 1,
    metrics: [block],
    logs: [said.log],
    ...(options.trace !== undefined && { spans: [said.spans] }),
    settings: {
      node: CLIENT.node,
      upstreamMark: 0,
      inboundMark: 0,
      mapFds: { ...NO_MAPS, heartbeat: options.heartbeatFd ?? -1 },
      limits: { ...LIMITS, ...options.limits },
      timeouts: { ...TIMEOUTS, responseHeadMs, ...timeouts },
      accessLog: 0,
      trace: options.trace ?? "off",
    },
    onBug: (text) => said.bugs.push(text),
    onFallback: (service) => said.fallbacks.push(service),
    onMisdeclared: (port) => said.misdeclared.push(port),
    onDeath: (index, error) => said.bugs.push(`worker ${index}: ${error.stack}`),
  });
}

/** A running worker with one client pod. Dispose of it at the end of a test. */
export class WorkerRig implements AsyncDisposable, WorkerSaid {
  readonly workers: Workers;
  /** Port of VIP for the service named at creation. */
  readonly port: number;
  readonly log: SharedArrayBuffer = createLogRing();
  readonly spans: SharedArrayBuffer = createLogRing();
  readonly bugs: string[] = [];
  readonly fallbacks: string[] = [];
  readonly misdeclared: MisdeclaredPort[] = [];
  readonly #collector: Collector = new Collector({ clock: () => performance.now() });
  /** The listener behind VIP; the worker has a duplicate. */
  listenerFd: number;
  readonly #pods: readonly Workload[];
  readonly #lines: LogRingReader;
  readonly #spans: LogRingReader;
  #version = 0;

  /** Starts a worker whose one service is reached at VIP:`port`. */
  static async start(service: RigService, options: RigOptions = {}): Promise<WorkerRig> {
    const rig = new WorkerRig(options);
    await rig.workers.start();
    await rig.update(service);
    await rig.workers.added({
      uid: CLIENT.uid,
      netns: -1,
      addresses: CLIENT.addresses,
      listeners: [rig.listenerFd],
    });
    return rig;
  }

  /** Has the worker accept on another listener of the same place, and lets go of the former one. */
  async moveListener(): Promise<void> {
    const system = new Sockets();
    const former = this.listenerFd;
    const at = { ip: VIP, port: this.port };
    this.listenerFd = openListener(system, { at, reusePort: true });
    await this.workers.moved({ uid: CLIENT.uid, listeners: [this.listenerFd] });
    system.close(former);
  }

  private constructor(options: RigOptions) {
    const { pods = [SERVER] } = options;
    const enrolment = { ...DEFAULT_ENROLMENT, ...options.client };
    this.#pods = [{ ...CLIENT, enrolment }, ...pods.map(workloadOf)];
    this.#lines = new LogRingReader(this.log);
    this.#spans = new LogRingReader(this.spans);
    const system = new Sockets();
    this.listenerFd = openListener(system, { at: { ip: VIP, port: 0 }, reusePort: true });
    const address = system.localAddress(this.listenerFd);
    if (typeof address === "number") throw new Error(`no listener: errno ${-address}`);
    this.port = address.port;
    this.workers = rigWorkers(options, this.#collector, this);
  }

  /** Replaces the service. */
  async update(service: RigService): Promise<void> {
    const { protocol = "http", balance = { kind: "round-robin" } } = service;
    const { affinitySeconds, connections } = service;
    const endpoints = service.endpoints.map((one) => ({ state: "ready" as const, ...one }));
    const delta: SnapshotDelta = {
      epoch: "rig",
      base: this.#version === 0 ? "nothing" : this.#version,
      version: ++this.#version,
      upsertWorkloads: this.#version === 1 ? this.#pods : [],
      removeWorkloads: [],
      upsertServices: [
        {
          namespace: "default",
          name: "server",
          addresses: [VIP],
          balance,
          ...(affinitySeconds !== undefined && { affinitySeconds }),
          ...(connections !== undefined && { connections }),
          ports: [{ name: "", port: this.port, protocol, endpoints }],
        },
      ],
      removeServices: [],
      changeEndpoints: [],
    };
    await this.workers.apply(delta);
  }

  /** Sum of a counter metric over series whose labels match, by key of agent/telemetry/metrics.ts. */
  count(metric: "httpRequests" | "refused" | "tcpOpened" | "tcpClosed", label = ""): number {
    const samples = this.#collector.collect().get(metric) ?? [];
    return samples
      .filter(({ labels }) => label === "" || Object.values(labels).includes(label))
      .reduce((sum, { values }) => sum + (values[0] ?? 0), 0);
  }

  /** The series of a metric whose labels have these values, summed number by number. */
  series(metric: MetricKey, labels: Readonly<Record<string, string>> = {}): Series {
    const all = (this.#collector.collect().get(metric) ?? []).filter((sample) =>
      Object.entries(labels).every(([name, value]) => sample.labels[name] === value),
    );
    const { buckets } = specOf(metric);
    const sumAt = buckets === undefined ? 0 : buckets.length + 1;
    const counted = (values: Float64Array): number =>
      values.subarray(0, sumAt).reduce((sum, one) => sum + one, 0);
    return {
      labels: all.map((sample) => sample.labels),
      sum: all.reduce((sum, { values }) => sum + (values[sumAt] ?? 0), 0),
      observations: all.reduce((sum, { values }) => sum + counted(values), 0),
    };
  }

  /** The lines of the access log that came since it was asked last. */
  logged(): readonly Readonly<Record<string, unknown>>[] {
    return linesIn(this.#lines).map((line) => JSON.parse(line));
  }

  /** The spans that came since it was asked last. */
  traced(): readonly SpanRecord[] {
    return linesIn(this.#spans).map((line) => JSON.parse(line));
  }

  /** What the worker carries now. */
  connections(): Promise<readonly Row[]> {
    return this.workers.ask("connections");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.workers.removed(CLIENT.uid);
    await this.workers.stop();
    new Sockets().close(this.listenerFd);
    if (this.bugs.length > 0) throw new Error(`the worker had bugs:\n${this.bugs.join("\n")}`);
  }
}

function linesIn(reader: LogRingReader): readonly string[] {
  const lines = new TextDecoder().decode(reader.take()).split("\n");
  return lines.filter((line) => line !== "");
}
