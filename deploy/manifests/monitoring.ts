/** What the Prometheus operator reads: where to scrape, and the rules of deploy/prometheus. */

import { ruleGroups } from "../prometheus/render.ts";
import { AGENT, CONTROL, labelsOf, type Manifest, selectorOf } from "./meta.ts";
import type { InstallOptions } from "./options.ts";

const API_VERSION = "monitoring.coreos.com/v1";

/** Kinds that only a cluster with the operator's definitions knows, each with the option that asks for it. */
export const OPERATOR_KINDS: Readonly<Record<string, string>> = {
  PodMonitor: "prometheus.podMonitors",
  PrometheusRule: "prometheus.rules",
};

/** PodMonitors of agents and control, in the mesh's own namespace. */
export function podMonitors(options: InstallOptions): readonly Manifest[] {
  return [podMonitor(AGENT, "agent", options), podMonitor(CONTROL, "control", options)];
}

/** Recording rules and alerts. */
export function prometheusRule(options: InstallOptions): Manifest {
  return {
    apiVersion: API_VERSION,
    kind: "PrometheusRule",
    metadata: metadataOf("nodemesh", "rules", options),
    spec: { groups: ruleGroups() },
  };
}

function podMonitor(name: string, component: string, options: InstallOptions): Manifest {
  return {
    apiVersion: API_VERSION,
    kind: "PodMonitor",
    metadata: metadataOf(name, "monitors", options),
    spec: {
      selector: { matchLabels: selectorOf(component) },
      podMetricsEndpoints: [{ port: "metrics", path: "/metrics" }],
    },
  };
}

function metadataOf(
  name: string,
  component: string,
  { namespace, image, prometheus }: InstallOptions,
): Manifest["metadata"] {
  const labels = { ...prometheus.labels, ...labelsOf(component, image.tag) };
  return { name, namespace, labels };
}
