/** Pods and what is inside: the mesh reads addresses, owner and ports; the simulator also runs the containers. */

import { z } from "zod";
import {
  count,
  filled,
  group,
  list,
  type Meta,
  maybe,
  namespacedMeta,
  type PortOrName,
  portNumber,
  portOrName,
  texts,
  unless,
} from "./schema.ts";

/** A pod. */
export interface Pod {
  readonly kind: "Pod";
  readonly metadata: Meta;
  readonly spec: PodSpec;
  readonly status: PodStatus;
}

/** What a pod shall be; also inside a Deployment's template. */
export interface PodSpec {
  /** Empty until scheduled. */
  readonly nodeName: string;
  readonly hostNetwork: boolean;
  readonly serviceAccountName: string;
  readonly restartPolicy: string;
  readonly terminationGracePeriodSeconds: number;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
}

/** What a pod is. */
export interface PodStatus {
  readonly phase: string;
  readonly podIP?: string | undefined;
  readonly podIPs: readonly { readonly ip: string }[];
  readonly conditions: readonly { readonly type: string; readonly status: string }[];
}

/** One container. */
export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir?: string | undefined;
  readonly env: readonly EnvVar[];
  readonly ports: readonly ContainerPort[];
  readonly readinessProbe?: Probe | undefined;
  readonly livenessProbe?: Probe | undefined;
  readonly startupProbe?: Probe | undefined;
  readonly lifecycle?:
    | { readonly preStop?: PreStop | undefined; readonly postStart?: Hook | undefined }
    | undefined;
  /** Of an init container: `Always` makes it a sidecar, which runs beside the containers. */
  readonly restartPolicy?: string | undefined;
}

/** An environment variable: a text, or a field of the pod such as `status.podIP`. */
export interface EnvVar {
  readonly name: string;
  readonly value: string;
  readonly valueFrom?:
    | { readonly fieldRef?: { readonly fieldPath: string } | undefined }
    | undefined;
}

/** A port a container says it listens on. */
export interface ContainerPort {
  /** Empty when it has none. */
  readonly name: string;
  readonly containerPort: number;
  readonly protocol: string;
}

/** How a container is asked whether it is well. */
export interface Probe {
  readonly httpGet?:
    | { readonly path: string; readonly port: PortOrName; readonly scheme: string }
    | undefined;
  readonly tcpSocket?: { readonly port: PortOrName } | undefined;
  readonly grpc?: { readonly port: number } | undefined;
  readonly exec?: { readonly command: readonly string[] } | undefined;
  readonly initialDelaySeconds: number;
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
}

/** What kubelet asks of a container when it has started, or before it ends. */
export interface Hook {
  readonly httpGet?: { readonly port: PortOrName } | undefined;
  readonly tcpSocket?: { readonly port: PortOrName } | undefined;
}

/** What runs before a container gets SIGTERM. */
export interface PreStop extends Hook {
  readonly exec?: { readonly command: readonly string[] } | undefined;
  readonly sleep?: { readonly seconds: number } | undefined;
}

/** The ports of all containers that run while the pod does: its own and the sidecars'. */
export function containerPorts({ containers, initContainers }: PodSpec): readonly ContainerPort[] {
  const sidecars = initContainers.filter(({ restartPolicy }) => restartPolicy === "Always");
  return [...containers, ...sidecars].flatMap(({ ports }) => ports);
}

const command = z.object({ command: list(z.string()) });

const probe: z.ZodType<Probe> = z.object({
  httpGet: maybe(
    z.object({
      path: unless(z.string(), "/"),
      port: portOrName,
      scheme: unless(z.string(), "HTTP"),
    }),
  ),
  tcpSocket: maybe(z.object({ port: portOrName })),
  grpc: maybe(z.object({ port: portNumber })),
  exec: maybe(command),
  // Kubernetes' own defaults (core/v1 Probe).
  initialDelaySeconds: unless(count, 0),
  periodSeconds: unless(count, 10),
  timeoutSeconds: unless(count, 1),
  successThreshold: unless(count, 1),
  failureThreshold: unless(count, 3),
});

const hook = {
  httpGet: maybe(z.object({ port: portOrName })),
  tcpSocket: maybe(z.object({ port: portOrName })),
};

const preStop: z.ZodType<PreStop> = z.object({
  ...hook,
  exec: maybe(command),
  sleep: maybe(z.object({ seconds: count })),
});

const env: z.ZodType<EnvVar> = z.object({
  name: z.string().min(1),
  value: unless(z.string({ error: "must be a text: put the value in quotes" }), ""),
  valueFrom: maybe(z.object({ fieldRef: maybe(z.object({ fieldPath: z.string() })) })),
});

const containerPort: z.ZodType<ContainerPort> = z.object({
  name: unless(z.string(), ""),
  containerPort: portNumber,
  protocol: unless(z.string(), "TCP"),
});

const container: z.ZodType<Container> = z.object({
  name: z.string().min(1),
  image: unless(z.string(), ""),
  command: list(z.string()),
  args: list(z.string()),
  workingDir: maybe(z.string()),
  env: list(env),
  ports: list(containerPort),
  readinessProbe: maybe(probe),
  livenessProbe: maybe(probe),
  startupProbe: maybe(probe),
  lifecycle: maybe(z.object({ preStop: maybe(preStop), postStart: maybe(z.object(hook)) })),
  restartPolicy: maybe(z.string()),
});

/** spec of a pod or of a template. */
export const podSpec: z.ZodType<PodSpec> = z.object({
  nodeName: unless(z.string(), ""),
  hostNetwork: unless(z.boolean(), false),
  serviceAccountName: filled("default"),
  restartPolicy: unless(z.string(), "Always"),
  terminationGracePeriodSeconds: unless(count, 30),
  nodeSelector: texts,
  initContainers: list(container),
  containers: list(container),
});

const podStatus: z.ZodType<PodStatus> = z.object({
  phase: unless(z.string(), "Pending"),
  podIP: maybe(z.string()),
  podIPs: list(z.object({ ip: z.string() })),
  conditions: list(z.object({ type: z.string(), status: z.string() })),
});

/** A whole pod. */
export const pod: z.ZodType<Pod> = z.object({
  kind: z.literal("Pod"),
  metadata: namespacedMeta,
  spec: podSpec,
  status: group(podStatus),
});
