/** Small kinds: namespaces, nodes, service accounts, config maps. */

import { z } from "zod";
import { clusterMeta, group, list, type Meta, namespacedMeta, texts } from "./schema.ts";

/** A namespace: its mesh annotations are its pods' defaults. */
export interface Namespace {
  readonly kind: "Namespace";
  readonly metadata: Meta;
}

/** A node. */
export interface Node {
  readonly kind: "Node";
  readonly metadata: Meta;
  readonly status: {
    readonly addresses: readonly { readonly type: string; readonly address: string }[];
  };
}

/** A service account: the second half of a workload's identity. */
export interface ServiceAccount {
  readonly kind: "ServiceAccount";
  readonly metadata: Meta;
}

/** A config map; the mesh does not look into it. */
export interface ConfigMap {
  readonly kind: "ConfigMap";
  readonly metadata: Meta;
  readonly data: Readonly<Record<string, string>>;
}

/** A whole Namespace. */
export const namespace: z.ZodType<Namespace> = z.object({
  kind: z.literal("Namespace"),
  metadata: clusterMeta,
});

/** A whole Node. */
export const node: z.ZodType<Node> = z.object({
  kind: z.literal("Node"),
  metadata: clusterMeta,
  status: group(z.object({ addresses: list(z.object({ type: z.string(), address: z.string() })) })),
});

/** A whole ServiceAccount. */
export const serviceAccount: z.ZodType<ServiceAccount> = z.object({
  kind: z.literal("ServiceAccount"),
  metadata: namespacedMeta,
});

/** A whole ConfigMap. */
export const configMap: z.ZodType<ConfigMap> = z.object({
  kind: z.literal("ConfigMap"),
  metadata: namespacedMeta,
  data: texts,
});
