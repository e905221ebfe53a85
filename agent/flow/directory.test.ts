import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import type { Endpoint, Service } from "#model/service.ts";
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
    ...{ upsertServices: [], removeServices: [], changeEndpoints: [] },
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

test("changed endpoints reach a service port, its state stays", () => {
  const updates: string[] = [];
  const known = new Directory<{ readonly made: string }>({
    create: (service) => ({ made: service.name }),
    update: (state, _, port) =>
      updates.push(`${state.made} ${port.endpoints.map(({ address }) => address).join()}`),
    remove: () => assert.fail("the service stays"),
  });
  const [v4, v6]: Endpoint[] = [
    { address: "10.1.0.2", port: 8080, state: "ready" },
    { address: "fd00::2", port: 8080, state: "ready" },
  ];
  assert.ok(v4 !== undefined && v6 !== undefined);
  const service: Service = {
    ...{ namespace: "shop", name: "order", balance: { kind: "random" } },
    addresses: ["10.96.0.1", "fd00:1::1"],
    ports: [{ name: "", port: 80, protocol: "http", endpoints: [v4, v6] }],
  };
  const nothing = {
    ...{ epoch: "e", upsertWorkloads: [], removeWorkloads: [] },
    ...{ upsertServices: [], removeServices: [], changeEndpoints: [] },
  };
  known.apply({ ...nothing, base: "nothing", version: 1, upsertServices: [service] });
  const before = known.service("10.96.0.1", 80);
  const other = { ...v4, address: "10.1.0.3" };
  const change = { service: "shop/order", port: 80, upsert: [other], remove: [v4] };
  known.apply({ ...nothing, base: 1, version: 2, changeEndpoints: [change] });
  assert.deepEqual(updates, ["order 10.1.0.3"]);
  assert.deepEqual(known.service("10.96.0.1", 80)?.port.endpoints, [other]);
  assert.equal(known.service("10.96.0.1", 80)?.state, before?.state);
  assert.deepEqual(known.otherFamily("10.96.0.1", 80)?.port.endpoints, [v6]);

  known.apply({ ...nothing, base: 2, version: 3, changeEndpoints: [{ ...change, remove: [v6] }] });
  assert.deepEqual(known.otherFamily("10.96.0.1", 80)?.port.endpoints, []);
});
