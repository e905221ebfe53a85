import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import type { Service } from "#model/service.ts";
import type { Workload } from "#model/workload.ts";
import { authorize, authorizeEndpoint, reauthorize } from "./authorize.ts";
import { Directory } from "./directory.ts";
import { type Caught, type Identified, identify } from "./identify.ts";
import { type Plan, plan } from "./plan.ts";

function workload(name: string, address: string, more: Partial<Workload> = {}): Workload {
  return {
    uid: `uid-${name}`,
    name,
    namespace: "default",
    owner: name,
    serviceAccount: "default",
    node: "a",
    addresses: [address],
    ports: [],
    enrolment: DEFAULT_ENROLMENT,
    ...more,
  };
}

const SHOP: Service = {
  namespace: "default",
  name: "order",
  addresses: ["10.96.0.7"],
  balance: { kind: "least-request" },
  ports: [{ name: "http", port: 80, protocol: "http", endpoints: [] }],
};

function world(...workloads: readonly Workload[]): Directory<string> {
  const directory = new Directory<string>({
    create: (service, port) => `${service.name}:${port.port}`,
    update: () => undefined,
    remove: () => undefined,
  });
  directory.apply({
    epoch: "e",
    base: "nothing",
    version: 1,
    upsertWorkloads: workloads,
    removeWorkloads: [],
    upsertServices: [SHOP],
    removeServices: [],
    changeEndpoints: [],
  });
  return directory;
}

function accepted(from: string, to: string, pod = "uid-user"): Caught {
  return { pod, client: parse(from), destination: parse(to) };
}

function parse(text: string): { address: string; port: number } {
  const [address = "", port = ""] = text.split(":");
  return { address, port: Number(port) };
}

function decide(connection: Caught, directory: Directory): Plan | string {
  const identified = identify(connection, directory);
  if (identified.kind === "refusal") return identified.reason;
  const permit = authorize(identified, directory.revision > 0);
  return "kind" in permit ? permit.reason : plan(permit);
}

const USER: Workload = workload("user", "10.1.0.2");
const ORDER: Workload = workload("order", "10.1.1.3", {
  ports: [
    { port: 8080, protocol: "http" },
    { port: 9000, protocol: "tcp" },
  ],
});

test("a pod that is closed meanwhile is refused as an endpoint of its node, and its live connections end", () => {
  const known = world(USER, ORDER);
  const permit = authorize(identifyOf(accepted("10.1.0.2:4000", "10.96.0.7:80"), known), true);
  assert.ok(!("kind" in permit));
  const closed: Workload = { ...ORDER, closed: true };
  assert.equal(authorizeEndpoint(permit, ORDER), undefined);
  assert.equal(authorizeEndpoint(permit, undefined), undefined);
  assert.equal(authorizeEndpoint(permit, closed)?.reason, "policy-unknown");
  assert.equal(authorizeEndpoint(permit, { ...closed, node: "another" }), undefined);
  const knowing = (user: Workload) =>
    reauthorize(permit, (uid) => (uid === user.uid ? user : undefined));
  assert.equal(knowing(USER), undefined);
  assert.equal(knowing({ ...USER, closed: true })?.reason, "policy-unknown");
});

function identifyOf(connection: Caught, directory: Directory): Identified {
  const identified = identify(connection, directory);
  assert.ok(identified.kind !== "refusal");
  return identified;
}

test("a closed pod is reached by nobody of its node and from outside, and reaches nobody", () => {
  const closed = workload("order", "10.1.1.3", { closed: true });
  const known = world(USER, closed);
  const refused = "policy-unknown";
  const inbound = (from: string) => decide(accepted(from, "10.1.1.3:8080", "uid-order"), known);
  assert.deepEqual([inbound("10.1.0.2:4000"), inbound("192.0.2.1:4000")], [refused, refused]);
  const outbound = (to: string) => decide(accepted("10.1.1.3:4000", to, "uid-order"), known);
  assert.deepEqual([outbound("10.96.0.7:80"), outbound("192.0.2.1:80")], [refused, refused]);
  const toClosed = accepted("10.1.0.2:4000", "10.1.1.3:8080");
  assert.equal(decide(toClosed, known), refused, "there is no inbound stage on the same node");
  const elsewhere = world(USER, { ...closed, node: "another" });
  assert.equal(typeof decide(toClosed, elsewhere), "object", "its own agent knows whom to let in");
});

test("a connection to a service is balanced and understood as the port declares", () => {
  const directory = world(USER, ORDER);
  const planned = decide(accepted("10.1.0.2:40000", "10.96.0.7:80"), directory);
  assert.ok(typeof planned === "object");
  assert.equal(planned.understanding, "http");
  assert.equal(planned.nextHop.kind, "balanced");
  assert.deepEqual(planned.origin, { kind: "own-address" });
  assert.equal(planned.clientAddress, "10.1.0.2");
});

test("a pod dialled by its IP stays the destination the application said", () => {
  const planned = decide(accepted("10.1.0.2:40000", "10.1.1.3:9000"), world(USER, ORDER));
  assert.ok(typeof planned === "object");
  assert.equal(planned.understanding, "opaque");
  assert.deepEqual(planned.nextHop, {
    kind: "fixed",
    address: { address: "10.1.1.3", port: 9000 },
    workload: ORDER,
  });
});

test("a destination nobody knows is carried as bytes to where the application said", () => {
  const planned = decide(accepted("10.1.0.2:40000", "203.0.113.9:443"), world(USER));
  assert.ok(typeof planned === "object");
  assert.equal(planned.understanding, "opaque");
  assert.deepEqual(planned.nextHop, {
    kind: "fixed",
    address: { address: "203.0.113.9", port: 443 },
  });
});

test("an inbound connection keeps the client's address and asks the port's declaration", () => {
  const planned = decide(
    accepted("10.1.0.2:40000", "10.1.1.3:8080", "uid-order"),
    world(USER, ORDER),
  );
  assert.ok(typeof planned === "object");
  assert.equal(planned.direction, "inbound");
  assert.equal(planned.understanding, "http");
  assert.deepEqual(planned.origin, { kind: "client-address", address: "10.1.0.2" });
});

test("a port the owner calls opaque is never parsed", () => {
  const opaque = workload("order", "10.1.1.3", {
    ports: ORDER.ports,
    enrolment: { ...DEFAULT_ENROLMENT, opaquePorts: [{ first: 8000, last: 8100 }] },
  });
  const planned = decide(accepted("10.9.9.9:1", "10.1.1.3:8080", "uid-order"), world(opaque));
  assert.ok(typeof planned === "object");
  assert.equal(planned.understanding, "opaque");
});

test("a pod dialled by its address is carried as bytes where its owner says so, enrolled or not", () => {
  const opaquePorts = [{ first: 8000, last: 8100 }];
  const { enrolment: _, ...outside } = workload("order", "10.1.1.3", { ports: ORDER.ports });
  const servers = [
    { ...outside, opaquePorts },
    { ...outside, enrolment: { ...DEFAULT_ENROLMENT, opaquePorts } },
  ];
  for (const server of servers) {
    const planned = decide(accepted("10.1.0.2:40000", "10.1.1.3:8080"), world(USER, server));
    assert.ok(typeof planned === "object");
    assert.equal(planned.understanding, "opaque");
  }
  const silent = decide(accepted("10.1.0.2:40000", "10.1.1.3:8080"), world(USER, outside));
  assert.ok(typeof silent === "object" && silent.understanding === "http");
});

test("an unknown pod and a foreign source address are refused with a reason", () => {
  const directory = world(USER, ORDER);
  assert.equal(decide(accepted("10.1.0.2:1", "10.96.0.7:80", "gone"), directory), "unknown-source");
  assert.equal(decide(accepted("10.1.0.9:1", "10.96.0.7:80"), directory), "unknown-source");
});

test("strict mode takes only connections from pods of the mesh", () => {
  const strict = workload("order", "10.1.1.3", {
    enrolment: { ...DEFAULT_ENROLMENT, mtls: "strict" },
  });
  const { enrolment: _, ...plain } = workload("outside", "10.1.0.8");
  const directory = world(USER, strict, plain);
  assert.equal(decide(accepted("10.1.0.8:1", "10.1.1.3:80", "uid-order"), directory), "denied");
  assert.equal(decide(accepted("10.7.7.7:1", "10.1.1.3:80", "uid-order"), directory), "denied");
  assert.equal(
    typeof decide(accepted("10.1.0.2:1", "10.1.1.3:80", "uid-order"), directory),
    "object",
  );
});

test("without any snapshot nothing is permitted", () => {
  const identified = identify(accepted("10.1.0.2:1", "10.96.0.7:80"), world(USER));
  assert.ok(identified.kind !== "refusal");
  const answer = authorize(identified, false);
  assert.ok("kind" in answer && answer.reason === "no-policy-data");
});

test("a service's runtime state outlives its changes and ends with it", () => {
  const log: string[] = [];
  const directory = new Directory<string>({
    create: (service, port) => `${service.name}:${port.port}`,
    update: (state) => log.push(`update ${state}`),
    remove: (state) => log.push(`remove ${state}`),
  });
  const delta = {
    epoch: "e",
    base: "nothing" as const,
    version: 1,
    upsertWorkloads: [],
    removeWorkloads: [],
    upsertServices: [SHOP],
    removeServices: [],
    changeEndpoints: [],
  };
  directory.apply(delta);
  const before = directory.service("10.96.0.7", 80);
  directory.apply({ ...delta, version: 2 });
  const after = directory.service("10.96.0.7", 80);
  assert.equal(before?.state, after?.state);
  directory.apply({ ...delta, version: 3, upsertServices: [] });
  assert.equal(directory.service("10.96.0.7", 80), undefined);
  assert.deepEqual(log, ["update order:80", "remove order:80"]);
});

test("an address that moves to a new pod before the old one is removed belongs to the new pod", () => {
  const directory = world(USER);
  const heir = workload("heir", "10.1.0.2");
  const delta = {
    epoch: "e",
    base: 1,
    version: 2,
    upsertServices: [],
    removeServices: [],
    changeEndpoints: [],
  };
  directory.apply({ ...delta, upsertWorkloads: [heir], removeWorkloads: [] });
  directory.apply({ ...delta, upsertWorkloads: [], removeWorkloads: ["uid-user"] });
  assert.equal(directory.workloadAt("10.1.0.2"), heir);
});
