/** Keeps `nodemesh_endpoint_state` in step with what a worker thinks of its endpoints. */

import type { GaugeHandle } from "../../telemetry/series.ts";
import type { WorkerMetrics } from "../../telemetry/worker-metrics.ts";
import type { EndpointSet } from "./endpoint-set.ts";
import type { PlacedSet } from "./endpoint-sets.ts";
import { conditionOf, type EndpointCondition } from "./live-endpoint.ts";

const CONDITIONS: readonly EndpointCondition[] = ["ready", "draining", "unready", "ejected"];

type Gauges = ReadonlyMap<EndpointCondition, GaugeHandle>;

/** The gauges of one worker. */
export class EndpointGauges {
  readonly #metrics: WorkerMetrics;
  readonly #gauges = new Map<EndpointSet, Gauges>();

  constructor(metrics: WorkerMetrics) {
    this.#metrics = metrics;
  }

  /** Counts anew. Call it every few seconds, off the hot path; sets that are gone lose their series. */
  update(sets: Iterable<PlacedSet>): void {
    const gone = new Set(this.#gauges.keys());
    for (const placed of sets) {
      gone.delete(placed.set);
      this.#count(placed);
    }
    for (const set of gone) this.#drop(set);
  }

  #count(placed: PlacedSet): void {
    const gauges = this.#gauges.get(placed.set) ?? this.#make(placed);
    const counts = Map.groupBy(placed.set.endpoints, conditionOf);
    for (const [state, gauge] of gauges) gauge.set(counts.get(state)?.length ?? 0);
  }

  #make({ set, service, port }: PlacedSet): Gauges {
    const gauges = new Map(
      CONDITIONS.map((state) => {
        const labels = { dst_service: service, port: String(port), state };
        return [state, this.#metrics.gauge("endpointState", labels)] as const;
      }),
    );
    this.#gauges.set(set, gauges);
    return gauges;
  }

  #drop(set: EndpointSet): void {
    for (const gauge of this.#gauges.get(set)?.values() ?? []) this.#metrics.drop(gauge);
    this.#gauges.delete(set);
  }
}
