import assert from "node:assert/strict";
import { test } from "node:test";
import { compiled, POLICIES, type Policy, WITH_POLICIES } from "../../test/support/policy-kind.ts";
import { Directory } from "../flow/directory.ts";
import { decodeDelta, encodeDelta, formatOf } from "./codec.ts";
import { DEFAULT_ENROLMENT } from "./enrolment.ts";
import { deltaFields, KIND, KINDS, type Kind, NO_CHANGE, touches, valuesIn } from "./kinds.ts";
import type { Service } from "./service.ts";
import { EMPTY_SNAPSHOT, type Snapshot, type SnapshotDelta } from "./snapshot.ts";
import { applyDelta, fullDelta } from "./snapshot-delta.ts";
import type { Workload } from "./workload.ts";

const WORKLOAD: Workload = {
  ...{ uid: "u1", name: "a", namespace: "shop", owner: "a", serviceAccount: "default", node: "n" },
  ...{ addresses: ["10.1.0.2"], enrolment: DEFAULT_ENROLMENT, ports: [] },
};
const SERVICE: Service = {
  ...{ namespace: "shop", name: "order", addresses: ["10.96.0.1"] },
  ...{ balance: { kind: "random" }, ports: [] },
};
const POLICY: Policy = { name: "p", denies: ["u1"] };

/** For each row of the table, with one more, two values of the same key. */
const VALUES: ReadonlyMap<Kind<object>, readonly [object, object]> = new Map<
  Kind<object>,
  readonly [object, object]
>([
  [KIND.workloads, [WORKLOAD, { ...WORKLOAD, owner: "other" }]],
  [KIND.services, [SERVICE, { ...SERVICE, affinitySeconds: 7 }]],
  [POLICIES, [POLICY, { ...POLICY, denies: [] }]],
]);

type Head = Pick<SnapshotDelta, "epoch" | "base" | "version">;

function deltaOf(
  kind: Kind<object>,
  head: Omit<Head, "epoch">,
  change: Partial<typeof NO_CHANGE>,
): SnapshotDelta {
  const fields = deltaFields(WITH_POLICIES, (of) =>
    of === kind ? { ...NO_CHANGE, ...change } : NO_CHANGE,
  );
  return { epoch: "e", ...head, ...fields };
}

/** As an agent does it: from bytes, into its snapshot and into a worker's directory. */
function agent() {
  let snapshot: Snapshot = {
    ...EMPTY_SNAPSHOT,
    ...compiled({ workloads: [], services: [], policies: [] }),
  };
  const states = { create: () => undefined, update: () => {}, remove: () => {} };
  const directory = new Directory(states, WITH_POLICIES);
  return {
    directory,
    snapshot: () => snapshot,
    take: (delta: SnapshotDelta): void => {
      const decoded = decodeDelta(encodeDelta(delta, WITH_POLICIES), WITH_POLICIES);
      assert.deepEqual(decoded, { kind: "delta", delta });
      const next = applyDelta(snapshot, delta, WITH_POLICIES);
      assert.ok(next);
      snapshot = next;
      directory.apply(delta);
    },
  };
}

test("the values of this test are those of every row", () => {
  assert.deepEqual([...VALUES.keys()], WITH_POLICIES);
  assert.deepEqual(WITH_POLICIES.slice(0, -1), KINDS);
});

for (const [kind, [first, second]] of VALUES)
  test(`${kind.name}: a value comes, changes and goes, through bytes, snapshot and directory`, () => {
    const { take, snapshot, directory } = agent();
    const key = kind.keyOf(first);
    const seen = () =>
      [valuesIn(snapshot(), kind), directory.values(kind)].map((all) => all.get(key));
    take(deltaOf(kind, { base: "nothing", version: 1 }, { upsert: [first] }));
    assert.deepEqual(seen(), [first, first]);
    take(deltaOf(kind, { base: 1, version: 2 }, { upsert: [second] }));
    assert.deepEqual(seen(), [second, second]);
    assert.deepEqual(fullDelta(snapshot(), WITH_POLICIES), {
      ...deltaOf(kind, { base: "nothing", version: 2 }, { upsert: [second] }),
    });
    take(deltaOf(kind, { base: 2, version: 3 }, { remove: [key] }));
    assert.deepEqual(seen(), [undefined, undefined]);
    take(deltaOf(kind, { base: 3, version: 4 }, { upsert: [first] }));
    take(deltaOf(kind, { base: "nothing", version: 5 }, {}));
    assert.deepEqual(seen(), [undefined, undefined]);
  });

for (const [kind, [value]] of VALUES)
  test(`${kind.name}: a message is never of a format whose readers don't know what it holds`, () => {
    const head = { base: 1, version: 2 } as const;
    const messages = [{ upsert: [value] }, { remove: [kind.keyOf(value)] }];
    for (const change of messages) {
      const delta = deltaOf(kind, head, change);
      assert.equal(formatOf(delta, WITH_POLICIES), kind.since);
      const message = JSON.parse(new TextDecoder().decode(encodeDelta(delta, WITH_POLICIES)));
      if (kind.since === 1) continue;
      const mislabelled = JSON.stringify({ ...message, format: kind.since - 1 });
      const bytes = new TextEncoder().encode(mislabelled);
      const problem = `must be at least ${kind.since} for what the message holds`;
      assert.deepEqual(decodeDelta(bytes, WITH_POLICIES), {
        ...{ kind: "malformed", field: "format", problem },
      });
      // The product's own readers refuse what they would otherwise ignore.
      assert.equal(decodeDelta(encodeDelta(delta, WITH_POLICIES)).kind, "malformed");
    }
  });

test("a field that must not be ignored raises the format of its message", () => {
  const head = { base: 1, version: 2 } as const;
  const closed = { ...WORKLOAD, closed: true };
  assert.equal(formatOf(deltaOf(KIND.workloads, head, { upsert: [WORKLOAD] })), 1);
  assert.equal(formatOf(deltaOf(KIND.workloads, head, { upsert: [WORKLOAD, closed] })), 3);
});

test("what depends on a kind follows its changes only, and every full snapshot", () => {
  const seen = [...VALUES].map(([kind, [value]]) => {
    const delta = deltaOf(kind, { base: 1, version: 2 }, { upsert: [value] });
    return (["redirect", "pools"] as const).filter((touch) => touches(delta, touch, WITH_POLICIES));
  });
  assert.deepEqual(seen, [["redirect"], ["pools"], []]);
  const full = deltaOf(POLICIES, { base: "nothing", version: 1 }, {});
  assert.ok(touches(full, "redirect") && touches(full, "pools"));
});
