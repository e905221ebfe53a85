/** Grafana's dashboards as an installation carries them. They are made in deploy/grafana; here they are only read. */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { labelsOf, type Manifest } from "./meta.ts";
import type { InstallOptions } from "./options.ts";

const FOLDER = new URL("../grafana/json/", import.meta.url);
/** What the sidecar of Grafana's own chart looks for, and with it kube-prometheus-stack. */
const SIDECAR_LABEL = { grafana_dashboard: "1" };

/** One dashboard, as Grafana imports it. */
export interface DashboardFile {
  /** For example `nodemesh-mesh.json`. */
  readonly name: string;
  readonly text: string;
}

/** All dashboards, by name. Throws when the checkout or package lacks them. */
export function dashboardFiles(): readonly DashboardFile[] {
  return readdirSync(fileURLToPath(FOLDER))
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => ({ name, text: readFileSync(new URL(name, FOLDER), "utf8") }));
}

/** A ConfigMap for each dashboard: together they would be too large for what `kubectl apply` notes of an object. */
export function dashboardObjects({ namespace, image }: InstallOptions): readonly Manifest[] {
  return dashboardFiles().map(({ name, text }) => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: `nodemesh-dashboard-${name.slice(0, -".json".length).replace(/^nodemesh-/, "")}`,
      namespace,
      labels: { ...labelsOf("dashboards", image.tag), ...SIDECAR_LABEL },
    },
    data: { [name]: text },
  }));
}
