import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENROLMENT, type Enrolment } from "#model/enrolment.ts";
import type { Workload } from "#model/workload.ts";
import { decodeItem } from "./k8s/lean.ts";
import { agentSet } from "./k8s/resources.ts";
import {
  type Departure,
  departureAfter,
  leavesIn,
  STAYING,
  withoutEnrolments,
} from "./uninstallation.ts";
import type { Change } from "./world.ts";

const AGENTS = { namespace: "nodemesh", name: "nodemesh-agent" };

function daemonSet(metadata: object): Change {
  const template = { metadata: {}, spec: { containers: [] } };
  const spec = { selector: { matchLabels: {} }, template };
  const [decoded] = decodeItem({ metadata, spec }, agentSet("nodemesh"));
  assert.ok(decoded?.kind === "object", JSON.stringify(decoded));
  return { kind: "apply", object: decoded.object };
}

const deletionTimestamp = "2026-01-01T00:00:00Z";
const there = daemonSet(AGENTS);
const going = daemonSet({ ...AGENTS, deletionTimestamp, finalizers: ["foregroundDeletion"] });
const orphaning = daemonSet({ ...AGENTS, deletionTimestamp, finalizers: ["orphan"] });
const gone: Change = { kind: "delete", ref: { kind: "DaemonSet", ...AGENTS } };
const noAccount: Change = { kind: "delete", ref: { kind: "ServiceAccount", ...AGENTS } };
const account: Change = {
  kind: "apply",
  object: {
    kind: "ServiceAccount",
    metadata: { ...AGENTS, uid: "u", labels: {}, annotations: {}, ownerReferences: [] },
  },
};

/** What is known after changes that came a second apart, from time 0 on. */
function after(...changes: readonly Change[]): Departure {
  return changes.reduce(
    (before, change, second) => departureAfter(before, [change], AGENTS, second * 1000),
    STAYING,
  );
}

test("the mesh leaves when its DaemonSet stays away, at once when the account is gone too", () => {
  const cases: readonly (readonly [readonly Change[], number, number | undefined])[] = [
    [[], 0, undefined],
    [[there], 0, undefined],
    [[there, gone], 1000, 5000],
    [[there, gone], 5999, 1],
    [[there, gone], 6000, 0],
    [[there, gone], 60_000, 0],
    // Foreground: its pods go first.
    [[there, going], 2000, 4000],
    [[there, going, gone], 2000, 4000],
    // kubectl replace --force
    [[there, gone, there], 60_000, undefined],
    [[there, gone, there, gone], 3000, 5000],
    // kubectl delete --cascade=orphan
    [[there, orphaning], 60_000, undefined],
    [[there, orphaning, going], 60_000, undefined],
    [[there, orphaning, gone], 60_000, undefined],
    [[there, orphaning, gone, noAccount], 60_000, undefined],
    [[there, orphaning, gone, there, gone], 9000, 0],
    // nodemesh uninstall
    [[there, account, noAccount, gone], 3000, 0],
    [[there, gone, noAccount], 2000, 0],
    [[there, noAccount], 60_000, undefined],
    [[there, noAccount, account, gone], 3000, 5000],
  ];
  for (const [changes, now, wait] of cases)
    assert.equal(leavesIn(after(...changes), now), wait, JSON.stringify({ changes, now }));
});

test("other DaemonSets and accounts are nobody's business", () => {
  const others = [gone, noAccount].flatMap((change): readonly Change[] => {
    assert.ok(change.kind === "delete");
    const { ref } = change;
    return [
      { kind: "delete", ref: { ...ref, name: "other" } },
      { kind: "delete", ref: { ...ref, namespace: "default" } },
      { kind: "delete", ref: { ...ref, kind: "Service" } },
    ];
  });
  assert.deepEqual(departureAfter(STAYING, others, AGENTS, 0), STAYING);
});

test("without enrolments every pod with an address stays known", () => {
  const place = { namespace: "a", owner: "o", serviceAccount: "s", node: "n", ports: [] };
  const enrolment: Enrolment = { ...DEFAULT_ENROLMENT, fail: "closed" };
  const of = (uid: string, addresses: readonly string[], more: Partial<Workload>): Workload => ({
    ...{ ...place, uid, name: uid, addresses },
    ...more,
  });
  const all = [
    of("enrolled", ["10.0.0.1"], { enrolment }),
    of("starting", [], { enrolment }),
    of("on-the-host", [], {}),
  ];
  const workloads = new Map(all.map((workload) => [workload.uid, workload]));
  const free = withoutEnrolments({ workloads, services: new Map() });
  assert.deepEqual(
    [...free.workloads.values()].map(({ uid, enrolment: none }) => [uid, none]),
    [
      ["enrolled", undefined],
      ["on-the-host", undefined],
    ],
  );
});
