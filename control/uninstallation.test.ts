import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENROLMENT, type Enrolment } from "#model/enrolment.ts";
import type { Workload } from "#model/workload.ts";
import { decodeManifest } from "./k8s/api/decode.ts";
import { leavingAfter, withoutEnrolments } from "./uninstallation.ts";
import type { Change } from "./world.ts";

const AGENTS = { namespace: "nodemesh", name: "nodemesh-agent" };

function daemonSet(metadata: object): Change {
  const template = { metadata: {}, spec: { containers: [] } };
  const spec = { selector: { matchLabels: {} }, template };
  const [decoded] = decodeManifest({ apiVersion: "apps/v1", kind: "DaemonSet", metadata, spec });
  assert.ok(decoded?.kind === "object", JSON.stringify(decoded));
  return { kind: "apply", object: decoded.object };
}

const there = daemonSet(AGENTS);
const going = daemonSet({ ...AGENTS, deletionTimestamp: "2026-01-01T00:00:00Z" });
const gone: Change = { kind: "delete", ref: { kind: "DaemonSet", ...AGENTS } };

test("the mesh leaves when its DaemonSet goes, and stays when it is made anew", () => {
  const cases: readonly (readonly [boolean, readonly Change[], boolean])[] = [
    [false, [], false],
    [false, [there], false],
    [false, [there, gone], true],
    [false, [going], true],
    [true, [], true],
    [true, [there], false],
    [false, [gone, there], false],
  ];
  for (const [before, changes, after] of cases)
    assert.equal(leavingAfter(before, changes, AGENTS), after);
});

test("other DaemonSets are nobody's business", () => {
  const other = { kind: "DaemonSet", namespace: "nodemesh", name: "other" } as const;
  const elsewhere = { ...other, namespace: "default", name: AGENTS.name };
  const changes: readonly Change[] = [
    { kind: "delete", ref: other },
    { kind: "delete", ref: elsewhere },
  ];
  assert.equal(leavingAfter(false, changes, AGENTS), false);
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
