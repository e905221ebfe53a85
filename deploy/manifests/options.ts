/** What an installation may choose: one checked value, the same for `nodemesh install --set` and the Helm chart. */

import { z } from "zod";
import { selectorOf } from "./meta.ts";
import { OPTIONAL_QUANTITY, QUANTITY, quantityOf } from "./quantity.ts";
import { affinity, type Carried, pullSecrets, tolerations } from "./scheduling.ts";
import { LABEL_VALUE, OWN_ANNOTATIONS, OWN_LABELS, textMap } from "./text-map.ts";

const quantity = z.string().regex(QUANTITY, "must be a quantity such as 100m or 256Mi");
const name = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, "must be lower-case letters, digits and '-'");
/** The mesh's own: uninstalling deletes it, and every other workload there would have the agents' freedom. */
const namespace = name.refine(
  (text) => text !== "default" && !text.startsWith("kube-"),
  "must be a namespace of the mesh's own, not default or kube-*",
);
/** A registry's port is allowed; a tag or digest would stand before that of image.tag. */
const image = z
  .string()
  .regex(
    /^(?:[\w.-]+(?::\d+)?\/)?[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*)*$/,
    "must be an image without tag and digest, for example registry.example:5000/nodemesh/agent",
  );
function resources(cpu: string, memory: string) {
  return z
    .strictObject({
      cpu: quantity.default(cpu).describe("CPU that the scheduler sets aside"),
      memory: quantity.default(memory).describe("memory that the scheduler sets aside"),
    })
    .prefault({});
}

/** Something that is there when it is asked for. */
function flag(description: string): z.ZodDefault<z.ZodBoolean> {
  return z.boolean("must be true or false").default(false).describe(description);
}

/** The API server would refuse the pods too, but later, and naming fields that nobody has chosen. */
const BELOW_REQUEST = { path: ["memoryLimit"], message: "must not be below requests.memory" };
const BELOW_CPU = { path: ["cpuLimit"], message: "must not be below requests.cpu" };

function limitHolds({ requests, memoryLimit }: Limited): boolean {
  return (quantityOf(memoryLimit) ?? 0) >= (quantityOf(requests.memory) ?? 0);
}

function cpuLimitHolds({ requests, cpuLimit }: Limited): boolean {
  return cpuLimit === "" || (quantityOf(cpuLimit) ?? 0) >= (quantityOf(requests.cpu) ?? 0);
}

interface Limited {
  readonly requests: Requests;
  readonly memoryLimit: string;
  readonly cpuLimit: string;
}

/** Both replicas on one node would go with it. */
const APART = {
  podAntiAffinity: {
    preferredDuringSchedulingIgnoredDuringExecution: [
      {
        weight: 100,
        podAffinityTerm: {
          topologyKey: "kubernetes.io/hostname",
          labelSelector: { matchLabels: selectorOf("control") },
        },
      },
    ],
  },
};
const AGENTS_AT_A_TIME = "must be a whole number from 1 up, or a share from 1% to 100%";
const LINUX = { "kubernetes.io/os": "linux" };

/** As the agent takes it (its flag --trace-endpoint); empty: none. */
const OPTIONAL_OTLP_URL = /^((http|grpc)s?:\/\/[^/?#\s@]+(\/[^?#\s]*)?)?$/;

interface PodPresets {
  readonly priorityClass: string;
  readonly affinity: Carried;
  readonly tolerations: readonly Carried[];
}

/** What is asked of a pod alike, whose ever it is. */
function podShape(presets: PodPresets) {
  return {
    cpuLimit: z
      .string()
      .regex(OPTIONAL_QUANTITY, "must be a quantity such as 500m or 2")
      .default("")
      .describe("CPU that it gets at most; none: what its node has"),
    nodeSelector: textMap("labels of the nodes that it runs on", { value: LABEL_VALUE }, LINUX),
    tolerations: tolerations
      .default(presets.tolerations)
      .describe("taints that it bears, as in a pod"),
    affinity: affinity
      .default(presets.affinity)
      .describe("nodes and pods it is near to, as in a pod"),
    priorityClass: z
      .string()
      .max(253)
      .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, "must be the name of a PriorityClass")
      .default(presets.priorityClass)
      .describe("PriorityClass"),
    podLabels: textMap("labels of its pods", { value: LABEL_VALUE, own: OWN_LABELS }),
    podAnnotations: textMap("annotations of its pods", { own: OWN_ANNOTATIONS }),
  };
}

function digest(description: string) {
  return z
    .string()
    .regex(/^(sha256:[0-9a-f]{64})?$/, "must be sha256: and 64 hexadecimal digits")
    .default("")
    .describe(description);
}

/** CPU and memory as Kubernetes quantities. */
export interface Requests {
  readonly cpu: string;
  readonly memory: string;
}

/** What is asked of the pods of agents and of control alike. */
export interface PodOptions {
  readonly requests: Requests;
  readonly memoryLimit: string;
  /** Empty: no limit. */
  readonly cpuLimit: string;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations: readonly Carried[];
  readonly affinity: Carried;
  readonly priorityClass: string;
  readonly podLabels: Readonly<Record<string, string>>;
  readonly podAnnotations: Readonly<Record<string, string>>;
}

/** Checked options. What each means is said where it is checked, below. */
export interface InstallOptions {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly image: {
    readonly agent: string;
    readonly control: string;
    readonly tag: string;
    /** Empty: by tag alone. */
    readonly agentDigest: string;
    readonly controlDigest: string;
    readonly pullSecrets: readonly Carried[];
    readonly pullPolicy: "Always" | "IfNotPresent" | "Never";
  };
  readonly control: PodOptions & { readonly replicas: number };
  readonly agent: PodOptions & {
    readonly workers: number;
    readonly accessLog: number;
    /** Empty: none. */
    readonly traceEndpoint: string;
    readonly trace: number;
    readonly drainSeconds: number;
    readonly metricsPort: number;
    readonly probePort: number;
    /** Agents, or a share of them such as 25%. */
    readonly maxUnavailable: number | string;
  };
  readonly grafana: { readonly dashboards: boolean };
  readonly prometheus: {
    readonly podMonitors: boolean;
    readonly rules: boolean;
    readonly labels: Readonly<Record<string, string>>;
  };
}

/** All options with their defaults; unknown ones are refused. */
export const installOptions: z.ZodType<InstallOptions> = z.strictObject({
  namespace: namespace.default("nodemesh").describe("where the mesh itself runs"),
  labels: textMap("labels of every object and pod", { value: LABEL_VALUE, own: OWN_LABELS }),
  annotations: textMap("annotations of every object and pod", { own: OWN_ANNOTATIONS }),
  image: z
    .strictObject({
      agent: image.default("nodemesh/agent").describe("image of the agents"),
      control: image.default("nodemesh/control").describe("image of the control plane"),
      tag: z
        .string()
        .regex(/^[\w][\w.-]{0,127}$/, "must be an image tag")
        .default("0.1.0")
        .describe("tag of both"),
      agentDigest: digest(
        "digest of the agents' image: then that very image, whatever the tag is moved to",
      ),
      controlDigest: digest("the same of control's image"),
      pullSecrets: pullSecrets
        .default([])
        .describe("Secrets of the mesh's namespace for the registry, as a pod's imagePullSecrets"),
      pullPolicy: z
        .enum(["Always", "IfNotPresent", "Never"])
        .default("IfNotPresent")
        .describe("when kubelet pulls them"),
    })
    .prefault({}),
  control: z
    .strictObject({
      replicas: z.int().min(1).max(7).default(2).describe("replicas; one of them leads"),
      requests: resources("50m", "128Mi"),
      memoryLimit: quantity.default("1Gi").describe("control is ended beyond this"),
      ...podShape({ priorityClass: "system-cluster-critical", affinity: APART, tolerations: [] }),
    })
    .refine(limitHolds, BELOW_REQUEST)
    .refine(cpuLimitHolds, BELOW_CPU)
    .prefault({}),
  agent: z
    .strictObject({
      requests: resources("100m", "192Mi"),
      memoryLimit: quantity
        .default("1Gi")
        .describe("an agent is ended beyond this; half of it is for what slow readers leave"),
      workers: z.int().min(1).max(256).default(1).describe("data workers, one core each at most"),
      accessLog: z
        .number()
        .min(0)
        .max(1)
        .default(0)
        .describe("share of requests that are logged where a pod has no mesh/access-log"),
      traceEndpoint: z
        .string()
        .regex(OPTIONAL_OTLP_URL, "must be http(s)://HOST:PORT[/PATH] or grpc(s)://HOST:PORT")
        .default("")
        .describe(
          "collector of traces by OTLP, such as grpc://collector.tracing.svc:4317; none: no traces",
        ),
      trace: z
        .number()
        .min(0)
        .max(1)
        .default(0)
        .describe("share of requests that a trace is begun for where a pod has no mesh/trace"),
      drainSeconds: z
        .int()
        .min(0)
        .max(3600)
        .default(30)
        .describe("what relayed connections get to end by themselves"),
      metricsPort: z
        .int()
        .min(1)
        .max(65_535)
        .default(15_020)
        .describe("port of /metrics, /ready and /live on each node"),
      probePort: z
        .int()
        .min(1)
        .max(65_535)
        .default(15_022)
        .describe("port of /ready and /live on each node's loopback, for kubelet"),
      maxUnavailable: z
        .union(
          [z.int().min(1), z.string().regex(/^([1-9]\d?|100)%$/, AGENTS_AT_A_TIME)],
          AGENTS_AT_A_TIME,
        )
        .default(1)
        .describe("agents replaced at a time, or a share of them such as 25%"),
      ...podShape({
        priorityClass: "system-node-critical",
        affinity: {},
        // The mesh is wanted wherever pods are: also on nodes that are tainted, full or not ready.
        tolerations: [{ operator: "Exists" }],
      }),
    })
    .refine(limitHolds, BELOW_REQUEST)
    .refine(cpuLimitHolds, BELOW_CPU)
    .prefault({}),
  grafana: z
    .strictObject({
      dashboards: flag(
        "dashboards in ConfigMaps that Grafana's sidecar reads (kube-prometheus-stack)",
      ),
    })
    .prefault({}),
  prometheus: z
    .strictObject({
      podMonitors: flag("PodMonitors for a Prometheus of the Prometheus operator's"),
      rules: flag("recording rules and alerts as the operator's PrometheusRule"),
      labels: textMap("labels of both, by which your Prometheus selects them", {
        value: LABEL_VALUE,
        own: OWN_LABELS,
      }),
    })
    .prefault({}),
});

/** As Helm lays values over those of its chart: maps entry by entry, null takes an entry away, all else as a whole. */
function laidOver(below: unknown, above: unknown): unknown {
  if (!isMap(below) || !isMap(above)) return above;
  const merged = new Map(Object.entries(below));
  for (const [name, value] of Object.entries(above)) {
    if (value === null) merged.delete(name);
    else merged.set(name, laidOver(merged.get(name), value));
  }
  return Object.fromEntries(merged);
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Checks options. Throws an Error that names the option and what it must be. */
export function parseOptions(values: unknown): InstallOptions {
  const result = installOptions.safeParse(laidOver(installOptions.parse({}), values));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path ?? [];
  if (issue?.code === "unrecognized_keys")
    throw new Error(
      `there is no option ${[...path, issue.keys[0]].join(".")}; \`nodemesh install --help\` lists them`,
    );
  throw new Error(
    `option ${path.join(".")}: ${issue?.message ?? "is not valid"}; \`nodemesh install --help\` tells what it takes`,
  );
}
