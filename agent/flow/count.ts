/** The Recorder of production: counts in shared memory. Series are looked up once per connection and edge. */

import type { Refusal } from "#model/refusal.ts";
import type { Workload } from "#model/workload.ts";
import type { Meter } from "../engine/leg.ts";
import type { TcpFigures } from "../engine/system.ts";
import type { RequestHead } from "../http/message.ts";
import type { WorkerMetrics } from "../telemetry/worker-metrics.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import { Edge } from "./edge.ts";
import { serviceOf } from "./fallback.ts";
import { type EdgeFacts, edgeLabels, servedBy, servedByAll, turnedLabels } from "./labels.ts";
import type { ObservedConnection, Observing } from "./observing.ts";
import type { Plan } from "./plan.ts";
import type {
  ConnectionRecord,
  Observation,
  Recorder,
  RequestOutcome,
  Took,
  Turned,
} from "./record.ts";

/** Beyond this many remembered edges all are forgotten: they are found again when used. */
const MAX_EDGES = 20_000;

/** What the recorder needs. */
export interface CountInputs {
  readonly metrics: WorkerMetrics;
  readonly workload: (uid: string) => Workload | undefined;
  /** This agent's node. */
  readonly node: string;
  readonly observing: Observing;
}

/**
 * The edges of one side or both. The first one's side has the connection that was accepted here. The second one's, the
 * server's when its pod is on this node, has the one to the endpoint.
 */
type Edges = readonly Edge[];

/** What a plan's requests and connections are counted under, by who serves: no key is built for each. */
interface PlanEdges {
  readonly byEndpoint: Map<LiveEndpoint | undefined, Edges>;
  readonly probes: Map<LiveEndpoint | undefined, Edges>;
  /** Of connections to endpoints. */
  readonly meters: Map<LiveEndpoint, Meter>;
  /** Of connections whose requests may go to any pod of the Service. */
  all: Edges | undefined;
}

/** Counts connections and requests of one worker. */
export class Counting implements Recorder {
  readonly #inputs: CountInputs;
  readonly #edges: Map<string, Edge> = new Map();
  readonly #ofPlan: WeakMap<Plan, PlanEdges> = new WeakMap();

  constructor(inputs: CountInputs) {
    this.#inputs = inputs;
  }

  connection(
    plan: Plan,
    endpoint: LiveEndpoint | undefined,
    protocol: "bytes" | "http",
  ): ConnectionRecord {
    // HTTP connections are observed request by request, and each may go to another of the Service's pods.
    if (protocol === "http")
      return new CountedConnection(this, plan, this.#edgesOfAll(plan), undefined);
    const observed = this.#inputs.observing.connection(plan, endpoint);
    return new CountedConnection(this, plan, this.edgesOf(plan, endpoint), observed);
  }

  refused({ reporter, refusal, identified }: Turned): void {
    const { reason, rule = "" } = refusal;
    const labels = { reporter, ...turnedLabels(identified), reason, rule };
    this.#inputs.metrics.counter("refused", labels).add(1);
  }

  retried(plan: Plan, result: "sent" | "no-budget"): void {
    const { metrics } = this.#inputs;
    metrics.counter("retries", { dst_service: serviceOf(plan), result }).add(1);
  }

  reached(plan: Plan, endpoint: LiveEndpoint, took: Took): Meter {
    const edges = this.edgesOf(plan, endpoint);
    for (const edge of edges) edge.reached(took);
    edges[1]?.opened();
    const { meters } = this.#planEdges(plan);
    let meter = meters.get(endpoint);
    if (meter === undefined) {
      meter = new ServerLeg(edges);
      meters.set(endpoint, meter);
    }
    return meter;
  }

  request(outcome: RequestOutcome): void {
    for (const edge of this.edgesOf(outcome.plan, outcome.endpoint, outcome.probe))
      edge.request(outcome);
  }

  observe(plan: Plan, head: RequestHead | undefined, probe: boolean): Observation | undefined {
    return this.#inputs.observing.request(plan, head, probe);
  }

  /** What a plan's requests and connections count under; `endpoint`: who served, undefined for nobody. */
  edgesOf(plan: Plan, endpoint: LiveEndpoint | undefined, probe = false): Edges {
    const { byEndpoint, probes } = this.#planEdges(plan);
    const known = probe ? probes : byEndpoint;
    let found = known.get(endpoint);
    if (found === undefined) {
      const { node, workload } = this.#inputs;
      const served = servedBy(plan, endpoint, workload);
      found = this.#shared({ plan, served, probe, node });
      known.set(endpoint, found);
    }
    return found;
  }

  #edgesOfAll(plan: Plan): Edges {
    const edges = this.#planEdges(plan);
    if (edges.all === undefined) {
      const { node, workload } = this.#inputs;
      const served = servedByAll(plan, workload);
      edges.all = this.#shared({ plan, served, probe: false, node });
    }
    return edges.all;
  }

  #planEdges(plan: Plan): PlanEdges {
    let edges = this.#ofPlan.get(plan);
    if (edges === undefined) {
      edges = { byEndpoint: new Map(), probes: new Map(), meters: new Map(), all: undefined };
      this.#ofPlan.set(plan, edges);
    }
    return edges;
  }

  #shared(facts: EdgeFacts): Edges {
    return edgeLabels(facts).map((labels) => {
      const key = Object.values(labels).join("|");
      let edge = this.#edges.get(key);
      if (edge === undefined) {
        if (this.#edges.size >= MAX_EDGES) this.#edges.clear();
        edge = new Edge(this.#inputs.metrics, labels);
        this.#edges.set(key, edge);
      }
      return edge;
    });
  }
}

/** There is one of it for each connection: it closes over nothing. */
class CountedConnection implements ConnectionRecord {
  readonly #counting: Counting;
  readonly #plan: Plan;
  /** What it was accepted for. */
  readonly #edges: Edges;
  readonly #observed: ObservedConnection | undefined;
  #sent = 0;
  #received = 0;

  constructor(
    counting: Counting,
    plan: Plan,
    edges: Edges,
    observed: ObservedConnection | undefined,
  ) {
    this.#counting = counting;
    this.#plan = plan;
    this.#edges = edges;
    this.#observed = observed;
    edges[0]?.opened();
  }

  carried(sent: number, received: number, endpoint?: LiveEndpoint): void {
    this.#sent += sent;
    this.#received += received;
    this.#observed?.goesOn({ sent: this.#sent, received: this.#received });
    if (sent <= 0 && received <= 0) return;
    const edges =
      endpoint === undefined ? this.#edges : this.#counting.edgesOf(this.#plan, endpoint);
    for (const edge of edges) edge.carried(sent, received);
  }

  note(news: TcpFigures): void {
    for (const edge of this.#edges) edge.noted("client", news);
  }

  closed(refusal: Refusal | undefined): void {
    this.#edges[0]?.closed();
    if (refusal !== undefined) for (const edge of this.#edges) edge.refused(refusal);
    this.#observed?.ended({ sent: this.#sent, received: this.#received }, refusal);
  }
}

/** Counts connections to one endpoint, and what the kernel knows of them: all of them are of one pair. */
class ServerLeg implements Meter {
  readonly #edges: Edges;

  constructor(edges: Edges) {
    this.#edges = edges;
  }

  note(news: TcpFigures): void {
    for (const edge of this.#edges) edge.noted("server", news);
  }

  ended(): void {
    this.#edges[1]?.closed();
  }
}
