/** Control's metrics. Names follow product.md; labels come from closed lists. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { readBuildInfo } from "../agent/telemetry/build-info.ts";
import { MetricsPage } from "../agent/telemetry/metrics-page.ts";
import { familiesOf } from "../agent/telemetry/prom-client.ts";
import type { KubernetesSource } from "./k8s/source.ts";
import type { Pipeline } from "./pipeline.ts";
import type { AgentRegistry } from "./publish/agents.ts";
import type { Publisher } from "./publish/publisher.ts";

/** What metrics are read from when scraped. */
export interface MetricsSources {
  readonly publisher: Publisher;
  readonly agents: AgentRegistry;
  readonly pipeline: Pipeline;
}

/** Counters that control's parts raise themselves. */
export interface ControlMetrics {
  readonly registry: Registry;
  /** What scrapers get of it. */
  readonly page: MetricsPage;
  /** Seconds of one compilation and publication. */
  readonly compileSeconds: Histogram;
  /** Compilations that threw: each is a bug. */
  readonly compileFailures: Counter;
  /** Acks by `verdict`: taken or refused. */
  readonly acks: Counter<"verdict">;
  /** Agents that were not admitted, by `reason`. */
  readonly refusedAgents: Counter<"reason">;
  /** Connections of agents' port that were cut, by `reason`. */
  readonly cutConnections: Counter<"reason">;
  /** Streams for nodes that have one, by `outcome`. */
  readonly rivalStreams: Counter<"outcome">;
  /** Also shows these from now on: control runs on a cluster. */
  watch(cluster: ClusterSources): void;
}

/** What a control on a cluster is read from when scraped. */
export interface ClusterSources {
  readonly source: Pick<KubernetesSource, "states">;
  readonly leadership: () => { readonly leading: boolean };
}

/** Makes the registry. */
export function makeMetrics(sources: MetricsSources): ControlMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const build = { ...readBuildInfo() };
  gauge({
    registry,
    name: "nodemesh_build_info",
    help: "Always 1: the labels say what runs, of which commit, by which Node.js, on which kernel.",
    labels: Object.keys(build),
    read: (metric) => metric.set(build, 1),
  });
  stateGauges(registry, sources);
  const registers = [registry];
  return {
    registry,
    page: new MetricsPage({ read: () => familiesOf(registry), clock: () => performance.now() }),
    compileSeconds: new Histogram({
      name: "nodemesh_control_compile_duration_seconds",
      help: "Time to compile and publish the world after a change.",
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5],
      registers,
    }),
    compileFailures: new Counter({
      name: "nodemesh_control_compile_failures_total",
      help: "Compilations that failed through a bug; the last good snapshot stays published.",
      registers,
    }),
    acks: new Counter({
      name: "nodemesh_control_acks_total",
      help: "Acknowledgements from agents: taken, or refused with a reason.",
      labelNames: ["verdict"],
      registers,
    }),
    refusedAgents: new Counter({
      name: "nodemesh_control_agents_refused_total",
      help: "Agents that were not admitted, by reason.",
      labelNames: ["reason"],
      registers,
    }),
    cutConnections: new Counter({
      name: "nodemesh_control_connections_cut_total",
      help: "Connections to the agents' port that were cut, by reason.",
      labelNames: ["reason"],
      registers,
    }),
    rivalStreams: new Counter({
      name: "nodemesh_control_rival_streams_total",
      help: "Streams of agents for nodes that have one already.",
      labelNames: ["outcome"],
      registers,
    }),
    watch: (cluster) => clusterGauges(registry, cluster),
  };
}

function clusterGauges(registry: Registry, { source, leadership }: ClusterSources): void {
  gauge({
    registry,
    name: "nodemesh_control_leader",
    help: "1 = this replica leads: it writes Events and statuses.",
    read: (metric) => metric.set(leadership().leading ? 1 : 0),
  });
  new Counter({
    name: "nodemesh_control_lists_total",
    help: "Complete lists of a kind: one, and one for each time that a watch could not go on.",
    labelNames: ["resource"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { resource, lists } of source.states()) this.inc({ resource }, lists);
    },
  });
  gauge({
    registry,
    name: "nodemesh_control_api_silence_seconds",
    help: "Seconds since the API server last said something of a kind; 150 is usual when nothing changes, more means that it is not followed.",
    labels: ["resource"],
    read: (metric) => {
      for (const { resource, heardMsAgo } of source.states())
        if (heardMsAgo !== undefined) metric.set({ resource }, heardMsAgo / 1000);
    },
  });
  gauge({
    registry,
    name: "nodemesh_control_api_trouble",
    help: "1 = a kind can't be followed now (the log says why); what is known of it stays in force.",
    labels: ["resource"],
    read: (metric) => {
      for (const { resource, trouble } of source.states())
        metric.set({ resource }, trouble === undefined ? 0 : 1);
    },
  });
}

function stateGauges(registry: Registry, { publisher, agents, pipeline }: MetricsSources): void {
  gauge({
    registry,
    name: "nodemesh_control_snapshot_version",
    help: "Newest published version of the snapshot.",
    read: (metric) => metric.set(publisher.snapshot.version),
  });
  gauge({
    registry,
    name: "nodemesh_control_objects",
    help: "Objects known, by kind.",
    labels: ["kind"],
    read: (metric) => {
      for (const [kind, objects] of Object.entries(pipeline.world))
        metric.set({ kind }, objects.size);
    },
  });
  gauge({
    registry,
    name: "nodemesh_control_agents",
    help: "Agents by state: current = connected and on the newest version.",
    labels: ["state"],
    read: (metric) => readAgents(metric, publisher, agents),
  });
  gauge({
    registry,
    name: "nodemesh_control_conditions",
    help: "Problems of objects, by reason.",
    labels: ["reason"],
    read: (metric) => {
      metric.reset();
      for (const { reason } of pipeline.conditions()) metric.inc({ reason });
    },
  });
}

function readAgents(metric: Gauge, publisher: Publisher, agents: AgentRegistry): void {
  const { epoch, version } = publisher.snapshot;
  const count = { current: 0, behind: 0, disconnected: 0 };
  for (const { connected, acked } of agents.list()) {
    if (!connected) count.disconnected++;
    else if (acked?.epoch === epoch && acked.version === version) count.current++;
    else count.behind++;
  }
  for (const [state, agentCount] of Object.entries(count)) metric.set({ state }, agentCount);
}

/** A gauge that is read when scraped. */
function gauge({ registry, name, help, labels = [], read }: GaugeSpec): void {
  const metric: Gauge = new Gauge({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect: () => read(metric),
  });
}

interface GaugeSpec {
  readonly registry: Registry;
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly read: (metric: Gauge) => void;
}
