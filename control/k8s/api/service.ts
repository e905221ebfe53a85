/** Services and the EndpointSlices that say where they lead. */

import { z } from "zod";
import {
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

/** A Service. */
export interface Service {
  readonly kind: "Service";
  readonly metadata: Meta;
  readonly spec: ServiceSpec;
}

/** What a Service shall be. */
export interface ServiceSpec {
  readonly type: string;
  /** `None` = headless; absent or empty = none assigned (yet). */
  readonly clusterIP?: string | undefined;
  readonly clusterIPs: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly selector: Readonly<Record<string, string>>;
  readonly sessionAffinity: string;
  readonly sessionAffinityConfig?:
    | { readonly clientIP?: { readonly timeoutSeconds?: number | undefined } | undefined }
    | undefined;
  readonly publishNotReadyAddresses: boolean;
  /** `Local` = a client gets endpoints of its own node only. */
  readonly internalTrafficPolicy: string;
}

/** One port of a Service. */
export interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  /** The number equals `port` when absent. */
  readonly targetPort?: PortOrName | undefined;
  readonly appProtocol?: string | undefined;
}

/** A part of a Service's endpoints. */
export interface EndpointSlice {
  readonly kind: "EndpointSlice";
  readonly metadata: Meta;
  readonly addressType: string;
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly SlicePort[];
}

/** One endpoint; an absent condition means what discovery/v1 says: ready and serving true, terminating false. */
export interface SliceEndpoint {
  readonly addresses: readonly string[];
  readonly conditions: {
    readonly ready?: boolean | undefined;
    readonly serving?: boolean | undefined;
    readonly terminating?: boolean | undefined;
  };
  readonly targetRef?: TargetRef | undefined;
  /** Absent on hand-made endpoints that are nowhere in the cluster. */
  readonly nodeName?: string | undefined;
}

/** The pod behind an endpoint. */
export interface TargetRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string | undefined;
}

/** One port of all endpoints of a slice. */
export interface SlicePort {
  readonly name: string;
  readonly port?: number | undefined;
  readonly protocol: string;
  readonly appProtocol?: string | undefined;
}

const servicePort: z.ZodType<ServicePort> = z.object({
  name: unless(z.string(), ""),
  port: portNumber,
  protocol: unless(z.string(), "TCP"),
  targetPort: maybe(portOrName),
  appProtocol: maybe(z.string()),
});

/** A whole Service. */
export const service: z.ZodType<Service> = z.object({
  kind: z.literal("Service"),
  metadata: namespacedMeta,
  spec: z.object({
    type: unless(z.string(), "ClusterIP"),
    clusterIP: maybe(z.string()),
    clusterIPs: list(z.string()),
    ports: list(servicePort),
    selector: texts,
    sessionAffinity: unless(z.string(), "None"),
    sessionAffinityConfig: maybe(
      z.object({
        // Bounds of core/v1: more than zero, at most one day.
        clientIP: maybe(z.object({ timeoutSeconds: maybe(z.int().min(1).max(86_400)) })),
      }),
    ),
    publishNotReadyAddresses: unless(z.boolean(), false),
    internalTrafficPolicy: unless(z.string(), "Cluster"),
  }),
});

const endpoint: z.ZodType<SliceEndpoint> = z.object({
  addresses: list(z.string()),
  conditions: group(
    z.object({
      ready: maybe(z.boolean()),
      serving: maybe(z.boolean()),
      terminating: maybe(z.boolean()),
    }),
  ),
  targetRef: maybe(
    z.object({
      kind: unless(z.string(), ""),
      namespace: unless(z.string(), ""),
      name: unless(z.string(), ""),
      uid: filled(undefined),
    }),
  ),
  nodeName: maybe(z.string()),
});

const slicePort: z.ZodType<SlicePort> = z.object({
  name: unless(z.string(), ""),
  port: maybe(portNumber),
  protocol: unless(z.string(), "TCP"),
  appProtocol: maybe(z.string()),
});

/** A whole EndpointSlice. */
export const endpointSlice: z.ZodType<EndpointSlice> = z.object({
  kind: z.literal("EndpointSlice"),
  metadata: namespacedMeta,
  addressType: z.string(),
  endpoints: list(endpoint),
  ports: list(slicePort),
});
