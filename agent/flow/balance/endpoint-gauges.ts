/** Keeps `nodemesh_endpoint_state` in step with what a worker thinks of its endpoints. */

import { type Service, type ServicePort, serviceKey } from "#model/service.ts";
import type { GaugeHandle } from "../../telemetry/series.ts";
import type { WorkerMetrics } from "../../telemetry/worker-metrics.ts";
import type { EndpointSet } from "./endpoint-set.ts";
import { conditionOf, type EndpointCondition } from "./live-endpoint.ts";

const CONDITIONS: readonly EndpointCondition[] = ["ready", "draining", "unready", "ejected"];

/** A set and where it belongs: what Directory.active() gives. */
export interface PlacedSet {
  readonly service: Pick<Service, "namespace" | "name">;
  readonly port: Pick<ServicePort, "port">;
  readonly state: EndpointSet;
}

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
      gone.delete(placed.state);
      this.#count(placed);
    }
    for (const set of gone) this.#drop(set);
  }

  #count(placed: PlacedSet): void {
    const gauges = this.#gauges.get(placed.state) ?? this.#make(placed);
    const counts = Map.groupBy(placed.state.endpoints, conditionOf);
    for (const [state, gauge] of gauges) gauge.set(counts.get(state)?.length ?? 0);
  }

  #make({ state: set, service, port }: PlacedSet): Gauges {
    const gauges = new Map(
      CONDITIONS.map((state) => {
        const labels = { dst_service: serviceKey(service), port: String(port.port), state };
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
