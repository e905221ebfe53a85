/** What the agent shows of itself: metrics and readiness on ports, its state on the private admin socket. */

import type { Snapshot } from "#model/snapshot.ts";
import { startAdmin } from "./admin/admin.ts";
import type { AgentConfig } from "./config.ts";
import { readFacts } from "./facts.ts";
import type { Prerequisites } from "./lifecycle.ts";
import type { Log } from "./log.ts";
import type { PodStatus, Redirect } from "./redirect/redirect.ts";
import type { SnapshotStore } from "./state/store.ts";
import type { AccessLog } from "./telemetry/access-log.ts";
import { readBuildInfo } from "./telemetry/build-info.ts";
import type { Collector } from "./telemetry/collector.ts";
import { startMonitor, startProbes } from "./telemetry/monitor.ts";
import { type AgentReadings, buildPage } from "./telemetry/registry.ts";
import type { SpanExport } from "./telemetry/span-export.ts";
import type { Workers } from "./workers.ts";

/** Everything the pages read. */
export interface PagesInputs {
  readonly config: AgentConfig;
  readonly log: Log;
  readonly parts: AsyncDisposableStack;
  readonly collector: Collector;
  readonly accessLog: AccessLog;
  /** Undefined: there is nowhere to send spans. */
  readonly spans: SpanExport | undefined;
  readonly store: SnapshotStore;
  readonly workers: Workers;
  readonly redirect: Redirect;
  readonly readiness: Prerequisites;
}

/** Opens all servers; the port of the metrics. */
export async function openPages(pages: PagesInputs): Promise<number> {
  const { config, log, parts, collector, store, workers, redirect, readiness } = pages;
  const onError = (path: string, error: unknown): void =>
    log("error", "a page could not be served", { path, error: String(error) });
  const monitor = await startMonitor({
    listen: config.metrics,
    metrics: buildPage(collector, readings(pages)),
    readiness,
    facts: () => readFacts(pages),
    onError,
  });
  parts.defer(() => monitor.close());
  const probes = await startProbes({ listen: config.probes, readiness, onError });
  parts.defer(() => probes.close());
  const admin = await startAdmin({
    path: config.adminSocket,
    providers: {
      config: () => config,
      snapshot: () => store.current,
      pods: () => namedPods(store.current, redirect.status()),
      connections: () => workers.ask("connections"),
      endpoints: () => workers.ask("endpoints"),
      counters: () => kernelCounts(redirect).map(({ event, value }) => ({ event, count: value })),
      readiness,
    },
    onError,
  });
  parts.defer(() => admin.close());
  return monitor.port;
}

/** Pods of this node with the names that people know them by; without, where the snapshot has lost them already. */
function namedPods(
  { workloads }: Snapshot,
  pods: readonly PodStatus[],
): readonly (PodStatus & { readonly namespace?: string; readonly name?: string })[] {
  const names = new Map<string, { readonly namespace: string; readonly name: string }>();
  for (const { uid, sandboxUid = uid, namespace, name } of workloads.values())
    names.set(sandboxUid, { namespace, name });
  return pods.map((pod) => ({ ...names.get(pod.uid), ...pod }));
}

function readings({ store, redirect, workers, accessLog, spans }: PagesInputs): AgentReadings {
  const one = (value: number) => [{ labels: {}, value }];
  const build = { ...readBuildInfo() };
  return {
    buildInfo: () => [{ labels: build, value: 1 }],
    snapshotVersion: () => one(store.current.version),
    snapshotAge: () => one(store.age / 1000),
    certificateExpiry: () => [],
    kernelEvents: () =>
      kernelCounts(redirect).map(({ event, value }) => ({ labels: { event }, value })),
    // One that only waits for its last connections is not redirected any more.
    enrolledPods: () => one(redirect.status().filter(({ state }) => state === "caught").length),
    failedPods: () => one(redirect.status().filter(({ state }) => state === "failed").length),
    workers: () => one(workers.count),
    // A worker that dies ends the agent: see workers.ts.
    workerRestarts: () => one(0),
    accessLogDropped: () => one(accessLog.dropped),
    spansSent: () => one(spans?.sent ?? 0),
    spansDropped: () => one(spans?.dropped ?? 0),
  };
}

function kernelCounts(redirect: Redirect): { readonly event: string; readonly value: number }[] {
  return [...redirect.counters()].map(([event, count]) => ({ event, value: Number(count) }));
}
