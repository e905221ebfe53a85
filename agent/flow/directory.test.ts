import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import type { Workload } from "#model/workload.ts";
import { Directory } from "./directory.ts";

const POD: Workload = {
  uid: "u1",
  name: "early",
  namespace: "shop",
  owner: "early",
  serviceAccount: "default",
  node: "a",
  addresses: [],
  ports: [],
  enrolment: DEFAULT_ENROLMENT,
};

function directory(): Directory<undefined> {
  return new Directory({ create: () => undefined, update: () => {}, remove: () => {} });
}

function put(to: Directory<undefined>, workload: Workload): void {
  to.apply({
    ...{ epoch: "e", base: "nothing", version: 1 },
    ...{ upsertWorkloads: [workload], removeWorkloads: [] },
    ...{ upsertServices: [], removeServices: [] },
  });
}

test("a pod has the addresses of its namespace until the snapshot says which it has", () => {
  const known = directory();
  put(known, POD);
  const before = known.revision;
  known.learn("u1", ["10.1.0.2"]);
  assert.ok(known.revision > before, "what was decided before is outdated");
  assert.equal(known.workloadAt("10.1.0.2")?.uid, "u1");
  assert.deepEqual(known.workload("u1")?.addresses, ["10.1.0.2"]);

  put(known, { ...POD, owner: "other" });
  assert.equal(known.workloadAt("10.1.0.2")?.owner, "other");

  put(known, { ...POD, addresses: ["10.1.0.3"] });
  assert.equal(known.workloadAt("10.1.0.2"), undefined);
  assert.equal(known.workloadAt("10.1.0.3")?.uid, "u1");
});

test("what was learnt before the pod is known counts, and not after it has left", () => {
  const known = directory();
  known.learn("u1", ["10.1.0.2"]);
  put(known, POD);
  assert.equal(known.workloadAt("10.1.0.2")?.uid, "u1");
  known.unlearn("u1");
  put(known, POD);
  assert.equal(known.workloadAt("10.1.0.2"), undefined);
});
