/** Keeps `nodemesh_endpoint_state` in step with what a worker thinks of its endpoints. */

import { type Service, type ServicePort, serviceKey } from "#model/service.ts";
import type { GaugeHandle } from "../../telemetry/series.ts";
import type { WorkerMetrics } from "../../telemetry/worker-metrics.ts";
import type { EndpointSet } from "./endpoint-set.ts";
import { conditionOf, type EndpointCondition, type LiveEndpoint } from "./live-endpoint.ts";

const CONDITIONS: readonly EndpointCondition[] = ["ready", "draining", "unready", "ejected"];

/** A set and where it belongs: what Directory.active() gives. A dual-stack service port has one for each family. */
export interface PlacedSet {
  readonly service: Pick<Service, "namespace" | "name">;
  readonly port: Pick<ServicePort, "port">;
  readonly state: Pick<EndpointSet, "endpoints">;
}

type Gauges = ReadonlyMap<EndpointCondition, GaugeHandle>;

/** The endpoints of one service port, those of all its sets. */
interface PortEndpoints {
  readonly dst_service: string;
  readonly port: string;
  readonly endpoints: LiveEndpoint[];
}

/** The gauges of one worker. */
export class EndpointGauges {
  readonly #metrics: WorkerMetrics;
  /** By service port. */
  readonly #gauges = new Map<string, Gauges>();

  constructor(metrics: WorkerMetrics) {
    this.#metrics = metrics;
  }

  /** Counts anew. Call it every few seconds, off the hot path; ports that are gone lose their series. */
  update(sets: Iterable<PlacedSet>): void {
    const ports = byPort(sets);
    for (const [key, port] of ports) this.#count(key, port);
    for (const key of [...this.#gauges.keys()]) if (!ports.has(key)) this.#drop(key);
  }

  #count(key: string, port: PortEndpoints): void {
    const gauges = this.#gauges.get(key) ?? this.#make(key, port);
    const counts = Map.groupBy(port.endpoints, conditionOf);
    for (const [state, gauge] of gauges) gauge.set(counts.get(state)?.length ?? 0);
  }

  #make(key: string, { dst_service, port }: PortEndpoints): Gauges {
    const gauges = new Map(
      CONDITIONS.map((state) => {
        const gauge = this.#metrics.gauge("endpointState", { dst_service, port, state });
        return [state, gauge] as const;
      }),
    );
    this.#gauges.set(key, gauges);
    return gauges;
  }

  #drop(key: string): void {
    for (const gauge of this.#gauges.get(key)?.values() ?? []) this.#metrics.drop(gauge);
    this.#gauges.delete(key);
  }
}

function byPort(sets: Iterable<PlacedSet>): ReadonlyMap<string, PortEndpoints> {
  const ports = new Map<string, PortEndpoints>();
  for (const { service, port, state } of sets) {
    const dst_service = serviceKey(service);
    const key = `${dst_service} ${port.port}`;
    const known = ports.get(key);
    if (known !== undefined) known.endpoints.push(...state.endpoints);
    else ports.set(key, { dst_service, port: String(port.port), endpoints: [...state.endpoints] });
  }
  return ports;
}
