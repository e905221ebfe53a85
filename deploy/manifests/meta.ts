/** What all objects of an installation share. */

/** A Kubernetes object as it is written to YAML. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** The common labels (kubernetes.io, "Recommended Labels"); `component` is what the object belongs to. */
export function labelsOf(component: string, version: string): Readonly<Record<string, string>> {
  return {
    "app.kubernetes.io/name": "nodemesh",
    "app.kubernetes.io/component": component,
    "app.kubernetes.io/part-of": "nodemesh",
    "app.kubernetes.io/version": version,
  };
}

/** By which workloads find their pods: never the version, selectors can't change. */
export function selectorOf(component: string): Readonly<Record<string, string>> {
  return { "app.kubernetes.io/name": "nodemesh", "app.kubernetes.io/component": component };
}

/** An image by its tag, and where a digest is given by that: the tag then only says what it is. */
export function imageReference(name: string, tag: string, digest: string): string {
  return `${name}:${tag}${digest === "" ? "" : `@${digest}`}`;
}

/** Port of control for agents. */
export const CONTROL_PORT = 15_010;
/** Port of control's /metrics, /ready and /live. */
export const CONTROL_METRICS_PORT = 15_020;
/** Name of control's Service, Deployment, ServiceAccount and lease. */
export const CONTROL = "nodemesh-control";
/** Secret with the mesh's CA; control makes it (control/tls). */
export const CA_SECRET = "nodemesh-ca";
/** ConfigMap with what agents trust; control makes it. */
export const ROOT_CONFIG = "nodemesh-root";
/** Name of the agents' DaemonSet and ServiceAccount. */
export const AGENT = "nodemesh-agent";

/** For scrapers that follow annotations. */
export function scraped(port: number): Readonly<Record<string, string>> {
  return {
    "prometheus.io/scrape": "true",
    "prometheus.io/port": String(port),
    "prometheus.io/path": "/metrics",
  };
}
