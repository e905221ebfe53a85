/**
 * What a snapshot is made of: one row for each kind of thing. The codec, deltas, the publisher, the compiler's check of what
 * may be told and the workers' directory all go through this table, so a new kind is a new row (and its type in
 * SnapshotValues).
 */

import { changedServices } from "./endpoint-changes.ts";
import { readEndpointChanges, readService } from "./read-service.ts";
import { readWorkload } from "./read-workload.ts";
import type { Place } from "./reader.ts";
import { type Service, serviceKey } from "./service.ts";
import type { SnapshotDelta, SnapshotParts, SnapshotValues } from "./snapshot-shape.ts";
import { changesOf, type Touched, touchedBy } from "./touched.ts";
import type { Workload } from "./workload.ts";

/** What of an agent, beside its look-ups, has to follow when something of a kind changes. */
export type Touch =
  /** Which pods of the node are caught, and how. */
  | "redirect"
  /** Idle connections to endpoints, which may have left. */
  | "pools";

/** Whose it is: the object in Kubernetes whose owner can mend it. */
export interface KindOwner<T extends object> {
  /** `kind` of that object. */
  readonly kind: string;
  /** Where in it each field comes from. */
  readonly fields: Readonly<Record<keyof T, string>>;
}

/** How a part of a value is told alone, without the rest of it. */
export interface PartialChanges<T extends object> {
  /** The field of a delta that holds such changes. */
  readonly field: string;
  /** The format that brought them: older readers get whole values. */
  readonly since: number;
  read(place: Place): object;
  /** The values that are named, each with its changes; undefined: the changes are for another snapshot. */
  apply(
    before: Pick<ReadonlyMap<string, T>, "get">,
    changes: readonly object[],
  ): ReadonlyMap<string, T> | undefined;
  /** What of a value changed; never the format that it needs, unless "whole". Undefined stands for no such value. */
  touched(before: T | undefined, after: T | undefined): Touched;
  /** The changes that tell all that was touched; "whole" when they would be no shorter than the value. */
  tell(value: T, touched: Exclude<Touched, "whole">): "whole" | readonly object[];
}

/** What says how a kind is handled; see the table. */
export interface KindWords<T extends object> {
  /** The format that brought the kind: older readers don't know it. */
  readonly since: number;
  /** The newest format that any value of it needs. */
  readonly newest: number;
  /** The oldest format that can say this value: more than `since` where a field came later that must not be ignored. */
  formatOf(value: T): number;
  /** What tells the values apart. */
  keyOf(value: T): string;
  /** Checks a value from outside. Throws Malformed. */
  read(place: Place): T;
  readonly owner: KindOwner<T>;
  readonly touches: readonly Touch[];
  readonly changes?: PartialChanges<T>;
  /**
   * There for a kind that restricts: the uids of the workloads that must not be reached in the way in which an agent would
   * that has never heard of the value. Such an agent is told these workloads as closed (closed.ts).
   */
  restricts?(value: T): Iterable<string>;
}

/** A row of the table. */
export interface Kind<T extends object> extends KindWords<T> {
  /** The field of a Snapshot. */
  readonly name: string;
  /** The fields of a SnapshotDelta. */
  readonly upsert: string;
  readonly remove: string;
}

/** A table: the product's, or one of a test. The order is that of the fields of a message. */
export type Kinds = readonly Kind<object>[];

/** The row of a kind of that name. */
export function kindOf<T extends object>(name: string, words: KindWords<T>): Kind<T> {
  const capital = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return { name, upsert: `upsert${capital}`, remove: `remove${capital}`, ...words };
}

/** Format 3 brought `closed`: an agent that ignores it would reach what must not be reached. */
const FORMAT_WITH_CLOSED = 3;

/** The table, by name. */
export const KIND: { readonly [K in keyof SnapshotValues]: Kind<SnapshotValues[K]> } = {
  workloads: kindOf<Workload>("workloads", {
    since: 1,
    newest: FORMAT_WITH_CLOSED,
    formatOf: ({ closed }) => (closed === undefined ? 1 : FORMAT_WITH_CLOSED),
    keyOf: ({ uid }) => uid,
    read: readWorkload,
    owner: {
      kind: "Pod",
      fields: {
        uid: "metadata.uid",
        sandboxUid: "metadata.annotations",
        name: "metadata.name",
        namespace: "metadata.namespace",
        owner: "metadata.ownerReferences",
        serviceAccount: "spec.serviceAccountName",
        node: "spec.nodeName",
        addresses: "status.podIPs",
        enrolment: "metadata.annotations",
        opaquePorts: "metadata.annotations",
        closed: "",
        probePorts: "spec.containers",
        ports: "spec.containers",
      },
    },
    touches: ["redirect"],
  }),
  services: kindOf<Service>("services", {
    since: 1,
    newest: 1,
    formatOf: () => 1,
    keyOf: serviceKey,
    read: readService,
    owner: {
      kind: "Service",
      fields: {
        namespace: "metadata.namespace",
        name: "metadata.name",
        addresses: "spec.clusterIPs",
        balance: "metadata.annotations",
        affinitySeconds: "spec.sessionAffinityConfig",
        connections: "metadata.annotations",
        ports: "spec.ports",
      },
    },
    touches: ["pools"],
    changes: {
      field: "changeEndpoints" satisfies keyof SnapshotDelta,
      since: 2,
      read: readEndpointChanges,
      apply: changedServices,
      touched: touchedBy,
      tell: changesOf,
    },
  }),
};

/** The table. */
export const KINDS: Kinds = Object.values(KIND);

/** The newest format that a table needs: what its readers know. */
export function newestFormat(kinds: Kinds): number {
  return kinds.reduce((newest, kind) => Math.max(newest, kind.newest, kind.changes?.since ?? 1), 1);
}

/** Values of a kind in a snapshot, by key. */
export function valuesIn(
  snapshot: SnapshotParts,
  { name }: Kind<object>,
): ReadonlyMap<string, object> {
  return Reflect.get(snapshot, name) as ReadonlyMap<string, object>;
}

/** Values of a kind that a delta upserts. */
export function upsertsIn(delta: SnapshotDelta, { upsert }: Kind<object>): readonly object[] {
  return Reflect.get(delta, upsert) as readonly object[];
}

/** Keys of a kind that a delta removes. */
export function removesIn(delta: SnapshotDelta, { remove }: Kind<object>): readonly string[] {
  return Reflect.get(delta, remove) as readonly string[];
}

/** Changes of parts of a kind's values. */
export function changesIn(delta: SnapshotDelta, { changes }: Kind<object>): readonly object[] {
  return changes === undefined ? [] : (Reflect.get(delta, changes.field) as readonly object[]);
}

/** The parts of a snapshot of which `valuesOf` gives the values. */
export function partsOf(
  kinds: Kinds,
  valuesOf: (kind: Kind<object>) => ReadonlyMap<string, object>,
): SnapshotParts {
  const parts: Record<string, ReadonlyMap<string, object>> = {};
  for (const kind of kinds) parts[kind.name] = valuesOf(kind);
  // A field for each row, by its name: what SnapshotParts is.
  return parts as unknown as SnapshotParts;
}

/** What a delta says of one kind. */
export interface KindDelta {
  readonly upsert: readonly object[];
  readonly remove: readonly string[];
  /** Empty where the kind has none. */
  readonly changes: readonly object[];
}

/** The fields of a delta of which `changeOf` gives what they say. */
export function deltaFields(
  kinds: Kinds,
  changeOf: (kind: Kind<object>) => KindDelta,
): Omit<SnapshotDelta, keyof DeltaHead> {
  const fields: Record<string, readonly unknown[]> = {};
  for (const kind of kinds) {
    const { upsert, remove, changes } = changeOf(kind);
    fields[kind.upsert] = upsert;
    fields[kind.remove] = remove;
    if (kind.changes !== undefined) fields[kind.changes.field] = changes;
  }
  // Fields for each row, by its names: what a SnapshotDelta has besides its head.
  return fields as unknown as Omit<SnapshotDelta, keyof DeltaHead>;
}

/** Which versions a delta is between. */
export type DeltaHead = Pick<SnapshotDelta, "epoch" | "base" | "version">;

/** A kind of which a delta says nothing. */
export const NO_CHANGE: KindDelta = { upsert: [], remove: [], changes: [] };

/** Whether something has to follow that depends on what the delta changes. A delta from nothing changes everything. */
export function touches(delta: SnapshotDelta, touch: Touch, kinds: Kinds = KINDS): boolean {
  if (delta.base === "nothing") return true;
  return kinds.some((kind) => kind.touches.includes(touch) && isNamed(delta, kind));
}

function isNamed(delta: SnapshotDelta, kind: Kind<object>): boolean {
  const named = [upsertsIn(delta, kind), removesIn(delta, kind), changesIn(delta, kind)];
  return named.some(({ length }) => length > 0);
}
