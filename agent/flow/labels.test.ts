import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import type { Service } from "#model/service.ts";
import type { Workload } from "#model/workload.ts";
import { type EdgeFacts, edgeLabels, servedBy, servedByAll, turnedLabels } from "./labels.ts";
import type { Plan } from "./plan.ts";

function pod(name: string, more: Partial<Workload> = {}): Workload {
  return {
    uid: name,
    name: `${name}-0`,
    namespace: "shop",
    owner: name,
    serviceAccount: "default",
    node: "a",
    addresses: [],
    ports: [{ port: 8080, protocol: "http", service: `${name}s` }],
    enrolment: DEFAULT_ENROLMENT,
    ...more,
  };
}

const PODS: readonly Workload[] = [pod("user"), pod("order"), pod("order-b", { owner: "order" })];
const find = (uid: string): Workload | undefined => PODS.find((one) => one.uid === uid);
const [USER, ORDER] = PODS as [Workload, Workload];

function service(...workloads: readonly string[]): Plan["nextHop"] {
  const service: Service = {
    ...{ namespace: "shop", name: "order", addresses: ["10.96.0.7"] },
    balance: { kind: "random" },
    ports: [],
  };
  const endpoints = workloads.map((workload) => ({
    ...{ address: "10.1.0.3", port: 8080, state: "ready" as const, workload },
  }));
  const port = { name: "", port: 80, protocol: "http" as const, endpoints };
  return { kind: "balanced", entry: { service, port, state: undefined } };
}

const POD_ITSELF: Plan["nextHop"] = {
  kind: "fixed",
  address: { address: "10.1.0.3", port: 8080 },
  workload: ORDER,
};

function facts(nextHop: Plan["nextHop"], more: Partial<Plan> = {}): EdgeFacts {
  const plan: Plan = {
    direction: "outbound",
    understanding: "http",
    nextHop,
    origin: { kind: "own-address" },
    source: USER,
    destination: { address: "10.96.0.7", port: 80 },
    clientAddress: "10.1.0.2",
    ...more,
  };
  return { plan, served: servedBy(plan, undefined, find), probe: false, node: "a" };
}

describe("labels of a pair", () => {
  test("name both ends and the Service dialled; who nobody knows is unknown", () => {
    const [labels] = edgeLabels(facts(service("order")));
    assert.deepEqual(labels, {
      ...{ reporter: "source", src_namespace: "shop", src_workload: "user" },
      ...{ dst_namespace: "shop", dst_workload: "unknown", dst_service: "shop/order" },
      ...{ path: "proxy", security: "none" },
    });
    const stranger = { kind: "stranger", address: "192.0.2.1" } as const;
    const [inbound] = edgeLabels(facts(POD_ITSELF, { direction: "inbound", source: stranger }));
    assert.deepEqual(inbound, {
      ...{ reporter: "destination", src_namespace: "unknown", src_workload: "unknown" },
      ...{ dst_namespace: "shop", dst_workload: "order", dst_service: "shop/orders" },
      ...{ path: "proxy", security: "none" },
    });
    const address = { kind: "fixed", address: { address: "192.0.2.1", port: 443 } } as const;
    const [away] = edgeLabels(facts(address));
    assert.equal(away?.dst_workload, "unknown");
    assert.equal(away?.dst_service, "");
  });

  test("of a pod that is dialled itself name the Service that leads to it, when it is one", () => {
    const serviceOf = (ports: Workload["ports"]) =>
      edgeLabels(facts({ ...POD_ITSELF, workload: { ...ORDER, ports } }))[0]?.dst_service;
    assert.equal(serviceOf(ORDER.ports), "shop/orders");
    assert.equal(serviceOf([{ port: 8080, protocol: "http" }]), "");
    assert.equal(serviceOf([{ port: 9090, protocol: "http", service: "orders" }]), "");
  });

  test("between pods of one node are there for each side, and say that nothing left it", () => {
    const both = edgeLabels(facts(POD_ITSELF));
    assert.deepEqual(
      both.map(({ reporter, security }) => [reporter, security]),
      [
        ["source", "local"],
        ["destination", "local"],
      ],
    );
    for (const away of [
      { ...ORDER, node: "b" },
      { ...ORDER, enrolment: undefined },
    ]) {
      const { enrolment, ...rest } = away;
      const workload = enrolment === undefined ? rest : { ...rest, enrolment };
      const one = edgeLabels(facts({ ...POD_ITSELF, workload }));
      assert.deepEqual(
        one.map(({ reporter }) => reporter),
        ["source"],
      );
    }
    // The server's own agent sees them.
    assert.equal(edgeLabels(facts(POD_ITSELF, { direction: "inbound" })).length, 1);
  });

  test("of kubelet's probe have a source that no workload can be", () => {
    const [labels] = edgeLabels({ ...facts(POD_ITSELF, { direction: "inbound" }), probe: true });
    assert.deepEqual([labels?.src_namespace, labels?.src_workload], ["", "kubelet"]);
  });

  test("of a connection to a whole Service are its one workload's, or unknown", () => {
    const served = (...uids: string[]) => servedByAll(facts(service(...uids)).plan, find);
    assert.equal(served("order", "order-b")?.workload.owner, "order");
    assert.equal(served("order", "order-b")?.node, "a");
    assert.equal(served("order", "user"), undefined);
    assert.equal(served("order", "nobody"), undefined);
    assert.equal(served(), undefined);
  });
});

test("a connection to a Service of several nodes is the source's alone, and not local", () => {
  const elsewhere = { order: ORDER, far: pod("far", { owner: "order", node: "b" }) };
  const free = pod("free", { owner: "order" });
  const { enrolment: _enrolment, ...outside } = free;
  const pods: Readonly<Record<string, Workload>> = { ...elsewhere, free: outside };
  const labelsOf = (...uids: readonly string[]) => {
    const made = facts(service(...uids));
    const served = servedByAll(made.plan, (uid) => pods[uid]);
    return edgeLabels({ ...made, served }).map(
      ({ reporter, security, dst_workload }) => `${reporter} ${security} ${dst_workload}`,
    );
  };
  assert.deepEqual(labelsOf("order"), ["source local order", "destination local order"]);
  for (const order of [
    ["order", "far"],
    ["far", "order"],
    ["order", "free"],
    ["order", "far", "order"],
  ])
    assert.deepEqual(labelsOf(...order), ["source none order"], order.join());
});

describe("labels of who was turned away", () => {
  test("are what is known of both", () => {
    const client = { address: "10.1.0.2", port: 4000 };
    const destination = { address: "10.1.0.3", port: 8080 };
    const stranger = { kind: "stranger", address: "192.0.2.1" } as const;
    const inbound = {
      kind: "inbound",
      source: stranger,
      client,
      target: ORDER,
      destination,
    } as const;
    assert.deepEqual(turnedLabels(inbound), {
      ...{ src_namespace: "unknown", src_workload: "unknown" },
      ...{ dst_namespace: "shop", dst_workload: "order", dst_service: "shop/orders" },
    });
    const nextHop = service("order");
    assert.ok(nextHop.kind === "balanced");
    const target = { kind: "service", entry: nextHop.entry } as const;
    const outbound = { kind: "outbound", source: USER, client, target, destination } as const;
    assert.deepEqual(turnedLabels(outbound), {
      ...{ src_namespace: "shop", src_workload: "user" },
      ...{ dst_namespace: "shop", dst_workload: "unknown", dst_service: "shop/order" },
    });
    assert.deepEqual(turnedLabels(undefined), {
      ...{ src_namespace: "unknown", src_workload: "unknown" },
      ...{ dst_namespace: "unknown", dst_workload: "unknown", dst_service: "" },
    });
  });
});
