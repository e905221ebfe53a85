/**
 * Sends spans by OTLP, with OpenTelemetry's own exporters: over HTTP in protobuf, or over gRPC. They are loaded when they
 * are wanted. The exporters try again by themselves what a collector asks to be sent again.
 */

import { SpanKind, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { type Resource, resourceFromAttributes } from "@opentelemetry/resources";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import type { OtlpEndpoint } from "#model/otlp-endpoint.ts";
import type { SpanRecord } from "./span.ts";

/** Sends some spans; rejects when they were not taken. */
export interface SpanSender {
  send(spans: readonly SpanRecord[]): Promise<void>;
  /** Waits for what is on its way, and sends no more. */
  close(): Promise<void>;
}

/** Longest time for a batch, tries included, milliseconds: as OpenTelemetry's default. */
const TIMEOUT_MS = 10_000;

/** Pods whose resources are remembered. */
const MOST_RESOURCES = 2000;

/** Opens the way; nothing is sent before the first spans. `node` and `version`: of this agent. */
export async function openOtlp(
  { protocol, url }: OtlpEndpoint,
  agent: { readonly node: string; readonly version: string },
): Promise<SpanSender> {
  const { OTLPTraceExporter } =
    protocol === "grpc"
      ? await import("@opentelemetry/exporter-trace-otlp-grpc")
      : await import("@opentelemetry/exporter-trace-otlp-proto");
  const exporter: SpanExporter = new OTLPTraceExporter({ url, timeoutMillis: TIMEOUT_MS });
  const scope = { name: "nodemesh", version: agent.version };
  const resources = new Resources(agent.node);
  return {
    send: (spans) =>
      new Promise((resolve, reject) => {
        const readable = spans.map((span) => readableSpan(span, resources.of(span), scope));
        exporter.export(readable, ({ code, error }) => {
          if (code === 0) resolve();
          else reject(error ?? new Error("the collector did not take them"));
        });
      }),
    close: () => exporter.shutdown(),
  };
}

/** Exporters group spans by resource object: one for each pod. */
class Resources {
  readonly #node: string;
  readonly #known: Map<string, Resource> = new Map();

  constructor(node: string) {
    this.#node = node;
  }

  of({ of: { namespace, workload, pod } }: SpanRecord): Resource {
    const key = `${namespace}/${workload}/${pod}`;
    let resource = this.#known.get(key);
    if (resource === undefined) {
      if (this.#known.size >= MOST_RESOURCES) this.#known.clear();
      resource = resourceFromAttributes({
        "service.name": workload,
        "service.namespace": namespace,
        "k8s.namespace.name": namespace,
        "k8s.pod.name": pod,
        "k8s.node.name": this.#node,
      });
      this.#known.set(key, resource);
    }
    return resource;
  }
}

function readableSpan(
  span: SpanRecord,
  resource: Resource,
  instrumentationScope: ReadableSpan["instrumentationScope"],
): ReadableSpan {
  const { traceId, spanId, parentId, error } = span;
  const context = { traceId, spanId, traceFlags: TraceFlags.SAMPLED };
  return {
    name: span.name,
    kind: span.kind === "client" ? SpanKind.CLIENT : SpanKind.SERVER,
    spanContext: () => context,
    ...(parentId !== undefined && {
      parentSpanContext: { ...context, spanId: parentId, isRemote: true },
    }),
    startTime: timeOf(span.startedAt),
    endTime: timeOf(span.startedAt + span.durationMs),
    duration: timeOf(span.durationMs),
    status:
      error === undefined
        ? { code: SpanStatusCode.UNSET }
        : { code: SpanStatusCode.ERROR, message: error },
    attributes: span.attributes,
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationScope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Seconds and nanoseconds. */
function timeOf(milliseconds: number): [number, number] {
  const seconds = Math.floor(milliseconds / 1000);
  return [seconds, Math.round((milliseconds - seconds * 1000) * 1e6)];
}
