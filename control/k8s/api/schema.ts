/**
 * The Kubernetes objects the mesh reads, and only the fields it reads. Unknown fields are ignored, the
 * read ones are checked: after decode.ts nobody needs to look twice. Types keep Kubernetes' own names and
 * nesting, with defaults filled in. May import zod and this folder; must know nothing of snapshots.
 *
 * This file: the pieces all kinds share.
 */

import { z } from "zod";

/** Which object is meant; `namespace` is empty for cluster-wide kinds. */
export interface ObjectRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** metadata, with defaults filled in. */
export interface Meta {
  readonly name: string;
  readonly namespace: string;
  /** `namespace/name` for hand-written objects, which have none. */
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ownerReferences: readonly OwnerReference[];
  /** RFC 3339; absent on hand-written objects. */
  readonly creationTimestamp?: string | undefined;
  /** Present while the object is being deleted. */
  readonly deletionTimestamp?: string | undefined;
  /** What must be done before the object goes; `orphan` = its dependents are to stay. Read of DaemonSets only. */
  readonly finalizers?: readonly string[] | undefined;
}

/** Who made an object. */
export interface OwnerReference {
  readonly kind: string;
  readonly name: string;
  readonly controller: boolean;
}

/** A port by number or by the name of a container port. */
export type PortOrName = number | string;

/** Kubernetes takes null for "not set"; so do we, with a default. */
export function unless<T>(schema: z.ZodType<T>, absent: NoInfer<T>): z.ZodType<T> {
  return schema.nullish().transform((value) => value ?? absent);
}

/** A field that may be missing or null; null reads as missing. */
export function maybe<T>(schema: z.ZodType<T>): z.ZodType<T | undefined> {
  return schema.nullish().transform((value) => value ?? undefined);
}

/** A text that may be missing, null or empty: all the same to Kubernetes. */
export function filled<T extends string | undefined>(absent: T): z.ZodType<string | T> {
  return z
    .string()
    .nullish()
    .transform((value) => value || absent);
}

/** A group of fields that all have defaults; missing or null is a group of defaults. */
export function group<T>(schema: z.ZodType<T>): z.ZodType<T> {
  return z.preprocess((value) => value ?? {}, schema);
}

/** A list; missing or null is empty. */
export function list<T>(item: z.ZodType<T>): z.ZodType<readonly T[]> {
  return unless<readonly T[]>(z.array(item), []);
}

/** A port number, 1 to 65535. */
export const portNumber: z.ZodType<number> = z.int().min(1).max(65535);

/** A port number or a port's name. */
export const portOrName: z.ZodType<PortOrName> = z.union([portNumber, z.string().min(1)]);

/** A whole number of seconds or a count, zero included. */
export const count: z.ZodType<number> = z.int().min(0);

/** A map of texts, as labels are; `true` without quotes is the mistake everybody makes once. */
export const texts: z.ZodType<Readonly<Record<string, string>>> = unless<
  Readonly<Record<string, string>>
>(z.record(z.string(), z.string({ error: "must be a text: put the value in quotes" })), {});

const owner: z.ZodType<OwnerReference> = z.object({
  kind: z.string(),
  name: z.string(),
  controller: unless(z.boolean(), false),
});

const looseMeta = {
  uid: maybe(z.string().min(1)),
  labels: texts,
  annotations: texts,
  ownerReferences: list(owner),
  creationTimestamp: maybe(z.string()),
  deletionTimestamp: maybe(z.string()),
  finalizers: maybe(z.array(z.string())),
};

// RFC 1123 subdomain, the grammar of object names; upper bound of Kubernetes.
const objectName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.:]*[a-z0-9])?$/, "must be lower-case letters, digits, '-' and '.'");

/** metadata of a namespaced object; `default` is the namespace of one that names none. */
export const namespacedMeta: z.ZodType<Meta> = z
  .object({ ...looseMeta, name: objectName, namespace: unless(objectName, "default") })
  .transform((meta) => ({ ...meta, uid: meta.uid ?? `${meta.namespace}/${meta.name}` }));

/** metadata of a cluster-wide object. */
export const clusterMeta: z.ZodType<Meta> = z
  .object({ ...looseMeta, name: objectName })
  .transform((meta) => ({ ...meta, namespace: "", uid: meta.uid ?? meta.name }));

/** metadata of a pod template: only what its pods get. */
export const templateMeta: z.ZodType<Pick<Meta, "labels" | "annotations">> = group(
  z.object({ labels: texts, annotations: texts }),
);
