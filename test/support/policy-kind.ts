/**
 * A kind of the snapshot that the product does not have: one more row of the table, and nothing else. It restricts, and came
 * with the format after the product's, so to control with this table the product's agents are old ones.
 */

import { FORMAT } from "#model/codec.ts";
import { KIND, KINDS, type Kind, type Kinds, kindOf, partsOf } from "#model/kinds.ts";
import { field, list, name } from "#model/reader.ts";
import type { Service } from "#model/service.ts";
import type { SnapshotParts } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";

/** Nobody may reach these workloads. */
export interface Policy {
  readonly name: string;
  /** Uids. */
  readonly denies: readonly string[];
}

/** The format that brought policies. */
export const FORMAT_WITH_POLICIES: number = FORMAT + 1;

/** The row. */
export const POLICIES: Kind<Policy> = kindOf<Policy>("policies", {
  since: FORMAT_WITH_POLICIES,
  newest: FORMAT_WITH_POLICIES,
  formatOf: () => FORMAT_WITH_POLICIES,
  keyOf: (policy) => policy.name,
  read: (place) => ({
    name: name(field(place, "name")),
    denies: list(field(place, "denies"), name, 100),
  }),
  owner: { kind: "Policy", fields: { name: "metadata.name", denies: "spec.denies" } },
  touches: [],
  restricts: ({ denies }) => denies,
});

/** The product's table with the row. */
export const WITH_POLICIES: Kinds = [...KINDS, POLICIES];

/** What a reader of that format knows: of the newest one everything, and less of each older one. */
export function kindsOfFormat(format: number): Kinds {
  return WITH_POLICIES.filter(({ since }) => since <= format).map((kind) => {
    const { changes, ...rest } = kind;
    const older = { ...rest, newest: Math.min(kind.newest, format) };
    const known =
      kind.name === KIND.workloads.name && format < KIND.workloads.newest
        ? { ...older, read: withoutClosed }
        : older;
    return changes !== undefined && changes.since <= format ? { ...known, changes } : known;
  });
}

/** Readers ignore fields that they don't know. */
function withoutClosed(place: Parameters<Kind<Workload>["read"]>[0]): Workload {
  const { closed: _, ...workload } = KIND.workloads.read(place);
  return workload;
}

/** What a test's world is made of. */
export interface PolicyWorld {
  readonly workloads: readonly Workload[];
  readonly services: readonly Service[];
  readonly policies: readonly Policy[];
}

/** The world as a compilation. */
export function compiled(world: PolicyWorld): SnapshotParts {
  return partsOf(WITH_POLICIES, (kind) => {
    const values: readonly object[] = Reflect.get(world, kind.name) as readonly object[];
    return new Map(values.map((value) => [kind.keyOf(value), value]));
  });
}
