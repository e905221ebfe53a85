/** Our own kind: enrols the pods behind Services that it names. */

import { z } from "zod";
import { count, group, list, type Meta, maybe, namespacedMeta, unless } from "./schema.ts";

/** A ServiceMesh (linkerd.io/v1alpha2). */
export interface ServiceMesh {
  readonly kind: "ServiceMesh";
  readonly metadata: Meta & {
    /** Counts changes of the spec; 0 for a hand-written object. */
    readonly generation: number;
  };
  readonly spec: {
    /** What is recorded; only `http` is known. */
    readonly tracers: readonly string[];
    readonly intercept: { readonly http: readonly InterceptRule[] };
  };
}

/** One Service whose pods are enrolled. */
export interface InterceptRule {
  /** For people; the Service is named in `service`. */
  readonly name: string;
  readonly service: {
    readonly name: string;
    /** Absent = the ServiceMesh's own. */
    readonly namespace?: string | undefined;
  };
}

const rule: z.ZodType<InterceptRule> = z.object({
  name: unless(z.string(), ""),
  service: z.object({ name: z.string().min(1), namespace: maybe(z.string().min(1)) }),
});

/** A whole ServiceMesh. */
export const serviceMesh: z.ZodType<ServiceMesh> = z.object({
  kind: z.literal("ServiceMesh"),
  metadata: z.intersection(namespacedMeta, z.object({ generation: unless(count, 0) })),
  spec: group(
    z.object({
      tracers: list(z.string()),
      intercept: group(z.object({ http: list(rule) })),
    }),
  ),
});
