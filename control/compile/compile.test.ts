import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import { applyChanges, type Change, EMPTY_WORLD } from "../world.ts";
import { type Compilation, compile, EMPTY_COMPILATION } from "./compile.ts";
import { apply, endpoint, type Loose, namespace, pod, service, slice, worldOf } from "./testing.ts";

/** What a test compares: all that is told. */
function parts({
  workloads,
  services,
  conditions,
}: Compilation): Pick<Compilation, "workloads" | "services" | "conditions"> {
  return { workloads, services, conditions };
}

test("pods and a service compile to one whole snapshot", () => {
  const world = worldOf(
    namespace("shop", { "mesh/enabled": "true", "mesh/fail": "closed" }),
    pod("user-5d4f-a", "10.1.0.2", {
      meta: {
        ownerReferences: [{ kind: "ReplicaSet", name: "user-5d4f", controller: true }],
        labels: { "pod-template-hash": "5d4f" },
      },
      spec: {
        serviceAccountName: "user",
        containers: [
          {
            name: "c",
            ports: [
              { containerPort: 8080 },
              { containerPort: 9090, name: "grpc-admin" },
              { containerPort: 53, protocol: "UDP" },
            ],
          },
        ],
      },
      status: { podIPs: [{ ip: "10.1.0.2" }, { ip: "FD00:0:0::2" }] },
    }),
    pod("order-a", "10.1.1.2", { meta: { annotations: { "mesh/enabled": "false" } } }),
    service(
      "order",
      {
        clusterIPs: ["10.96.0.10", "fd00:96::a"],
        ports: [
          { name: "http-web", port: 80, targetPort: 8080 },
          { name: "dns", port: 53, protocol: "UDP" },
        ],
        sessionAffinity: "ClientIP",
      },
      { "mesh/load-balancing": "consistent-hash:header=X-User", "mesh/connections": "own" },
    ),
    slice(
      "order",
      [{ name: "http-web", port: 8080 }],
      [
        endpoint("10.1.1.4", "order-c", { ready: false, serving: true, terminating: true }),
        endpoint("10.1.1.2", "order-a", { ready: true }),
        endpoint("10.1.1.3", "order-b", { ready: false }),
      ],
    ),
  );
  assert.deepEqual(parts(compile(world)), {
    workloads: new Map([
      [
        "uid-user-5d4f-a",
        {
          uid: "uid-user-5d4f-a",
          name: "user-5d4f-a",
          namespace: "shop",
          owner: "user",
          serviceAccount: "user",
          node: "n1",
          addresses: ["10.1.0.2", "fd00::2"],
          enrolment: { ...DEFAULT_ENROLMENT, fail: "closed" },
          ports: [
            { port: 8080, protocol: "detect" },
            { port: 9090, protocol: "grpc" },
          ],
        },
      ],
      [
        "uid-order-a",
        {
          uid: "uid-order-a",
          name: "order-a",
          namespace: "shop",
          owner: "order-a",
          serviceAccount: "default",
          node: "n1",
          addresses: ["10.1.1.2"],
          ports: [{ port: 8080, protocol: "http", service: "order" }],
        },
      ],
    ]),
    services: new Map([
      [
        "shop/order",
        {
          namespace: "shop",
          name: "order",
          addresses: ["10.96.0.10", "fd00:96::a"],
          balance: { kind: "consistent-hash", key: { kind: "header", name: "x-user" } },
          affinitySeconds: 10_800,
          connections: "own",
          ports: [
            {
              name: "http-web",
              port: 80,
              protocol: "http",
              endpoints: [
                { address: "10.1.1.2", port: 8080, state: "ready", workload: "uid-order-a" },
                { address: "10.1.1.3", port: 8080, state: "unready", workload: "uid-order-b" },
                { address: "10.1.1.4", port: 8080, state: "draining", workload: "uid-order-c" },
              ],
            },
          ],
        },
      ],
    ]),
    conditions: [],
  });
});

test("pods on the node's network are never enrolled, and told so", () => {
  const world = worldOf(
    pod("a", "192.0.2.1", {
      meta: { labels: { "mesh/enabled": "true" } },
      spec: { hostNetwork: true },
    }),
    pod("b", "192.0.2.1", { spec: { hostNetwork: true } }),
  );
  const { workloads, conditions } = compile(world);
  assert.deepEqual(
    [...workloads.values()].map(({ addresses, enrolment }) => [addresses, enrolment]),
    [
      [[], undefined],
      [[], undefined],
    ],
  );
  assert.deepEqual(
    conditions.map(({ ref, reason }) => [ref.name, reason]),
    [["a", "host-network"]],
  );
});

test("pods without an address and finished pods are out", () => {
  const world = worldOf(
    pod("new", "", { status: { phase: "Pending", podIPs: [] } }),
    pod("done", "10.1.0.3", { status: { phase: "Succeeded" } }),
    pod("dead", "10.1.0.4", { status: { phase: "Failed" } }),
    pod("old", "10.1.0.5", { meta: { deletionTimestamp: "2026-01-01T00:00:00Z" } }),
    pod("single", "", { status: { podIPs: [], podIP: "10.1.0.6" } }),
  );
  assert.deepEqual([...compile(world).workloads.keys()], ["uid-old", "uid-single"]);
});

test("every malformed thing is a condition, and traffic goes on", () => {
  const world = worldOf(
    namespace("shop", { "mesh/fail": "shut" }),
    pod("a", "10.1.0.300", { meta: { annotations: { "mesh/enbled": "true" } } }),
    service("s", { clusterIP: "10.96.0.1", ports: [{ port: 1, appProtocol: "gopher" }] }),
    service("t", { clusterIP: "ten", ports: [] }, { "mesh/load-balancing": "fastest" }),
  );
  const compiled = compile(world);
  assert.deepEqual(
    compiled.conditions.map(({ ref, reason, field }) => [ref.kind, ref.name, reason, field]),
    [
      ["Namespace", "shop", "malformed-annotation", 'metadata.annotations["mesh/fail"]'],
      ["Pod", "a", "malformed-annotation", 'metadata.annotations["mesh/enbled"]'],
      ["Pod", "a", "malformed-address", "status.podIPs[0].ip"],
      ["Service", "s", "unknown-protocol", "spec.ports[0].appProtocol"],
      ["Service", "t", "malformed-annotation", 'metadata.annotations["mesh/load-balancing"]'],
      ["Service", "t", "malformed-address", "spec.clusterIPs[0]"],
    ],
  );
  assert.deepEqual([...compiled.services.keys()], ["shop/s"]);
});

test("an address that two pods claim belongs to the newer one", () => {
  const created = (creationTimestamp: string): { meta: Loose } => ({ meta: { creationTimestamp } });
  const { workloads, conditions } = compile(
    worldOf(
      pod("new", "10.1.0.2", created("2026-01-02T00:00:00Z")),
      pod("old", "10.1.0.2", created("2026-01-01T00:00:00Z")),
    ),
  );
  assert.deepEqual(workloads.get("uid-new")?.addresses, ["10.1.0.2"]);
  assert.deepEqual(workloads.get("uid-old")?.addresses, []);
  assert.deepEqual(
    conditions.map(({ ref, reason }) => [ref.name, reason]),
    [["old", "address-conflict"]],
  );
});

test("headless Services have no entry, but their protocols count for their pods", () => {
  const { services, workloads } = compile(
    worldOf(
      pod("db-0", "10.1.0.2"),
      service("db", { clusterIP: "None", ports: [{ name: "tcp-db", port: 5432 }] }),
      slice("db", [{ name: "tcp-db", port: 5432 }], [endpoint("10.1.0.2", "db-0")]),
    ),
  );
  assert.equal(services.size, 0);
  assert.deepEqual(workloads.get("uid-db-0")?.ports, [
    { port: 5432, protocol: "tcp", service: "db" },
  ]);
});

test("a Service of another namespace has no say about a pod's ports", () => {
  const elsewhere = ({ metadata, ...rest }: Loose): Loose => ({
    ...rest,
    metadata: { ...Object(metadata), namespace: "other" },
  });
  const ports = [{ name: "tcp-db", port: 5432 }];
  const { workloads } = compile(
    worldOf(
      pod("db-0", "10.1.0.2"),
      elsewhere(service("db", { clusterIP: "10.96.0.1", ports })),
      elsewhere(slice("db", ports, [endpoint("10.1.0.2", "db-0")])),
    ),
  );
  assert.deepEqual(workloads.get("uid-db-0")?.ports, []);
});

test("an endpoint of a Local Service is for its own node, as its slice says it", () => {
  const ports = [{ port: 80 }];
  const endpoints = [
    { ...endpoint("10.1.0.2", "a"), nodeName: "n1" },
    { addresses: ["192.0.2.7"], nodeName: "n2" },
    { addresses: ["192.0.2.8"], nodeName: null },
  ];
  const spec = { clusterIP: "10.96.0.1", ports };
  const { services } = compile(
    worldOf(
      service("local", { ...spec, internalTrafficPolicy: "Local" }),
      slice("local", ports, endpoints),
      service("cluster", { ...spec, clusterIP: "10.96.0.2" }),
      slice("cluster", ports, endpoints),
    ),
  );
  const onlyFrom = (key: string): unknown =>
    services.get(key)?.ports[0]?.endpoints.map((one) => [one.address, one.onlyFrom]);
  assert.deepEqual(onlyFrom("shop/local"), [
    ["10.1.0.2", "n1"],
    ["192.0.2.7", "n2"],
    ["192.0.2.8", ""],
  ]);
  assert.deepEqual(onlyFrom("shop/cluster"), [
    ["10.1.0.2", undefined],
    ["192.0.2.7", undefined],
    ["192.0.2.8", undefined],
  ]);
});

test("a headless Service's word on its pods' ports is the same when it is Local", () => {
  const spec = { clusterIP: "None", ports: [{ name: "tcp-db", port: 5432 }] };
  const { services, workloads } = compile(
    worldOf(
      pod("db-0", "10.1.0.2"),
      service("db", { ...spec, internalTrafficPolicy: "Local" }),
      slice("db", [{ name: "tcp-db", port: 5432 }], [endpoint("10.1.0.2", "db-0")]),
    ),
  );
  assert.equal(services.size, 0);
  assert.deepEqual(workloads.get("uid-db-0")?.ports, [
    { port: 5432, protocol: "tcp", service: "db" },
  ]);
});

test("an endpoint in two slices counts once, in its best state", () => {
  const { services } = compile(
    worldOf(
      service("s", { clusterIP: "10.96.0.1", ports: [{ port: 80 }] }),
      slice("s", [{ port: 8080 }], [endpoint("10.1.0.2", "a", { ready: false })], "s-1"),
      slice("s", [{ port: 8080 }], [endpoint("10.1.0.2", "a", { ready: true })], "s-2"),
    ),
  );
  assert.deepEqual(services.get("shop/s")?.ports[0]?.endpoints, [
    { address: "10.1.0.2", port: 8080, state: "ready", workload: "uid-a" },
  ]);
});

test("what did not change keeps its identity, also when an object was written anew", () => {
  const before = worldOf(pod("a", "10.1.0.2"), pod("b", "10.1.0.3"));
  const first = compile(before);
  const after = applyChanges(
    before,
    apply(pod("a", "10.1.0.2", { status: { conditions: [{ type: "Ready", status: "True" }] } })),
  );
  const second = compile(after, first);
  assert.equal(second.workloads.get("uid-a"), first.workloads.get("uid-a"));
  assert.equal(second.workloads.get("uid-b"), first.workloads.get("uid-b"));
});

const anyObject: fc.Arbitrary<Loose> = fc
  .record({
    name: fc.constantFrom("a", "b", "c"),
    ip: fc.constantFrom("10.1.0.1", "10.1.0.2", "fd00::1", "bad"),
    flag: fc.constantFrom("true", "false", "maybe"),
    host: fc.boolean(),
    ready: fc.boolean(),
    protocol: fc.constantFrom("http", "tcp", "odd"),
    opaque: fc.constantFrom("80", "8080", ""),
    kind: fc.constantFrom("Namespace", "Pod", "Service", "EndpointSlice"),
  })
  .map(({ name, ip, flag, host, ready, protocol, opaque, kind }) => {
    const annotations = { "mesh/enabled": flag, "mesh/opaque-ports": opaque };
    if (kind === "Namespace") return namespace("shop", annotations);
    if (kind === "Pod")
      return pod(name, ip, { meta: { annotations }, spec: { hostNetwork: host } });
    if (kind === "EndpointSlice")
      return slice("a", [{ port: 80 }], [endpoint(ip, name, { ready })], `a-${name}`);
    return service(name, { clusterIP: ip, ports: [{ port: 80, appProtocol: protocol }] });
  });

test("an enrolled pod is published for its node before it has an address; others are not", () => {
  const starting = (name: string, enabled: boolean, nodeName: string): Loose =>
    pod(name, "", {
      meta: { annotations: { "mesh/enabled": String(enabled) } },
      spec: { nodeName },
      status: { phase: "Pending", podIPs: [] },
    });
  const world = worldOf(
    starting("early", true, "n1"),
    starting("unscheduled", true, ""),
    starting("plain", false, "n1"),
  );
  const { workloads } = compile(world, EMPTY_COMPILATION);
  assert.deepEqual([...workloads.keys()], ["uid-early"]);
  assert.deepEqual(workloads.get("uid-early")?.addresses, []);
});

function mirror(name: string, ip: string, hash: string): Loose {
  const annotations = {
    "kubernetes.io/config.mirror": "x",
    "kubernetes.io/config.hash": hash,
  };
  return pod(name, ip, { meta: { annotations } });
}

test("a static pod's mirror names the uid by which its node knows it", () => {
  const hash = "0123456789abcdef0123456789abcdef";
  const world = worldOf(mirror("static", "10.1.0.2", hash), pod("b", "10.1.0.3"));
  const { workloads, conditions } = compile(world, EMPTY_COMPILATION);
  assert.equal(workloads.get("uid-static")?.sandboxUid, hash);
  assert.equal(workloads.get("uid-b")?.sandboxUid, undefined);
  assert.deepEqual(conditions, []);
});

test("a pod can't claim another's sandbox by calling itself a mirror", () => {
  const claims = ["7c3f2c1e-9c1b-4c56-8a8e-0d6f3f1f2a11", "", "ABCDEF0123456789abcdef0123456789"];
  const world = worldOf(...claims.map((uid, i) => mirror(`thief-${i}`, `10.1.0.${i + 2}`, uid)));
  const { workloads, conditions } = compile(world);
  for (const { sandboxUid } of workloads.values()) assert.equal(sandboxUid, undefined);
  assert.deepEqual(
    conditions.map(({ ref, reason, field }) => [ref.name, reason, field]),
    claims.map((_, i) => [
      `thief-${i}`,
      "malformed-annotation",
      'metadata.annotations["kubernetes.io/config.hash"]',
    ]),
  );
});

test("compiling step by step gives what compiling from scratch gives", () => {
  const step = fc.record({ object: anyObject, remove: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      let world = EMPTY_WORLD;
      let compiled = EMPTY_COMPILATION;
      for (const { object, remove } of steps) {
        const changes = apply(object).map((change): Change => {
          if (!remove || change.kind !== "apply") return change;
          const { kind, metadata } = change.object;
          return { kind: "delete", ref: { kind, ...metadata } };
        });
        world = applyChanges(world, changes);
        compiled = compile(world, compiled);
        assert.deepEqual(parts(compiled), parts(compile(world)));
      }
    }),
    { numRuns: 300 },
  );
});
