import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeDelta, encodeDelta } from "#model/codec.ts";
import { decodeManifest } from "../k8s/api/decode.ts";
import { applyChanges, type Change, EMPTY_WORLD, type World } from "../world.ts";
import { type Compilation, compile } from "./compile.ts";
import { bytesOf, overflowOf, type Told } from "./tellable.ts";
import { apply, endpoint, type Loose, pod, service, slice, worldOf } from "./testing.ts";

const LONG = "a".repeat(600);

/** Compiles, and fails the test when agents would refuse what comes of it. */
function told(world: World): Compilation {
  const compiled = compile(world);
  const decoded = decodeDelta(
    encodeDelta({
      epoch: "e",
      base: "nothing",
      version: 1,
      upsertWorkloads: [...compiled.workloads.values()],
      removeWorkloads: [],
      upsertServices: [...compiled.services.values()],
      removeServices: [],
      changeEndpoints: [],
    }),
  );
  assert.equal(decoded.kind, "delta", JSON.stringify(decoded).slice(0, 500));
  return compiled;
}

function said({ conditions }: Compilation): readonly string[] {
  return conditions.map(({ ref, reason, field }) => `${ref.kind}/${ref.name} ${reason} ${field}`);
}

function ports(count: number): Loose[] {
  return Array.from({ length: count }, (_, i) => ({ name: `p${i}`, port: i + 1 }));
}

test("an object that agents would refuse is left out and told; the others are not held up", () => {
  const containers = [
    { name: "c", ports: ports(1025).map(({ port }) => ({ containerPort: port })) },
  ];
  const compiled = told(
    worldOf(
      pod("many-ports", "10.1.0.2", { spec: { containers } }),
      pod("long-owner", "10.1.0.3", {
        meta: { ownerReferences: [{ kind: "Job", name: LONG, controller: true }] },
      }),
      pod("good", "10.1.0.4"),
      service("many-ports", { clusterIP: "10.96.0.1", ports: ports(1025) }),
      service("long-uid", { clusterIP: "10.96.0.2", ports: [{ port: 80 }] }),
      slice("long-uid", [{ port: 80 }], [endpoint("10.1.0.2", LONG)]),
      service("good", { clusterIP: "10.96.0.3", ports: [{ port: 80 }] }),
    ),
  );
  assert.deepEqual([...compiled.workloads.keys()], ["uid-good"]);
  assert.deepEqual([...compiled.services.keys()], ["shop/good"]);
  assert.deepEqual(said(compiled), [
    "Pod/long-owner left-out metadata.ownerReferences",
    "Pod/many-ports left-out spec.containers",
    "Service/long-uid left-out spec.ports",
    "Service/many-ports left-out spec.ports",
  ]);
  assert.deepEqual(compiled.conditions[3], {
    ref: { kind: "Service", namespace: "shop", name: "many-ports" },
    reason: "left-out",
    field: "spec.ports",
    problem: "ports has more than 1024 entries in what agents are told",
    nextStep: "mend it; until then the mesh leaves the object alone",
  });
});

test("an object that was mended is told again", () => {
  const world = worldOf(service("s", { clusterIP: "10.96.0.1", ports: ports(1025) }));
  const first = compile(world);
  const mended = apply(service("s", { clusterIP: "10.96.0.1", ports: ports(1) }));
  const second = compile(applyChanges(world, mended), first);
  assert.deepEqual([[...first.services.keys()], [...second.services.keys()]], [[], ["shop/s"]]);
  assert.deepEqual(second.conditions, []);
});

test("a header's or cookie's name too long to be told counts as not set", () => {
  const compiled = told(
    worldOf(
      service(
        "s",
        { clusterIP: "10.96.0.1", ports: [{ port: 80 }] },
        { "mesh/load-balancing": `consistent-hash:header=${LONG}` },
      ),
    ),
  );
  assert.deepEqual(compiled.services.get("shop/s")?.balance, { kind: "least-request" });
  assert.deepEqual(said(compiled), [
    'Service/s malformed-annotation metadata.annotations["mesh/load-balancing"]',
  ]);
});

test("an empty account and an empty uid are none", () => {
  const compiled = told(
    worldOf(
      pod("a", "10.1.0.2", { spec: { serviceAccountName: "" } }),
      service("s", { clusterIP: "10.96.0.1", ports: [{ port: 80 }] }),
      slice(
        "s",
        [{ port: 80 }],
        [{ addresses: ["10.1.0.2"], targetRef: { kind: "Pod", name: "a", uid: "" } }],
      ),
    ),
  );
  assert.equal(compiled.workloads.get("uid-a")?.serviceAccount, "default");
  const [port] = compiled.services.get("shop/s")?.ports ?? [];
  assert.equal(port?.endpoints[0]?.workload, "shop/a");
});

test("one slice can't make the snapshot longer than a message: its Service stays out", () => {
  const uid = "語".repeat(500);
  const endpoints = Array.from({ length: 1000 }, (_, i) =>
    endpoint(`10.1.${i >> 8}.${i & 255}`, uid),
  );
  const compiled = told(
    worldOf(
      service("huge", { clusterIP: "10.96.0.1", ports: ports(36) }),
      slice("huge", ports(36), endpoints),
      service("good", { clusterIP: "10.96.0.2", ports: [{ port: 80 }] }),
    ),
  );
  assert.deepEqual([...compiled.services.keys()], ["shop/good"]);
  assert.deepEqual(said(compiled), ["Service/huge left-out "]);
});

test("of too much the longest stay out, until the rest fits", () => {
  const [object] = apply(service("s", { ports: [] }));
  assert.ok(object?.kind === "apply");
  const source = object.object;
  const one = (key: string, bytes: number): Told => ({
    key,
    bytes,
    created: "",
    source,
    value: {},
  });
  const groups = [
    [one("a", 10), one("c", 50)],
    [one("b", 50), one("d", 70)],
  ].map((outputs) => ({ outputs, bytes: bytesOf(outputs) }));
  const leftOut = (max: number): string =>
    Array.from(overflowOf(groups, max).leftOut, ({ key }) => key).join();
  assert.deepEqual([184, 183, 114, 113, 64, 63].map(leftOut), [
    "",
    "d",
    "d",
    "d,b",
    "d,b",
    "d,b,c",
  ]);
});

const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom("", "a", "http", "-x", LONG, "10.1.0.1", "fd00::1", "::ffff:10.0.0.1", "None"),
  fc.string({ maxLength: 20 }),
);
const fewPorts: fc.Arbitrary<Loose[]> = fc.array(
  fc.record({ name: anyText, port: fc.integer({ min: 1, max: 65_535 }), appProtocol: anyText }),
  { maxLength: 3 },
);
const anyPorts: fc.Arbitrary<Loose[]> = fc.oneof(
  { weight: 20, arbitrary: fewPorts },
  { weight: 1, arbitrary: fc.constantFrom(ports(1024), ports(1025)) },
);

/** Whatever users may write in the fields that are read. */
const anyObject: fc.Arbitrary<Loose> = fc
  .record({
    kind: fc.constantFrom("Pod", "Service", "EndpointSlice"),
    a: anyText,
    b: anyText,
    anyPorts,
  })
  .map(({ kind, a, b, anyPorts: some }) => {
    if (kind === "Service")
      return service(
        "s",
        { clusterIPs: [a, "10.96.0.1"], sessionAffinity: "ClientIP", ports: some },
        { "mesh/load-balancing": `consistent-hash:cookie=${b}` },
      );
    if (kind === "EndpointSlice")
      return slice("s", some, [
        { addresses: [a, "10.1.0.9"], nodeName: b, targetRef: { kind: "Pod", name: a, uid: b } },
      ]);
    return pod("p", a, {
      meta: {
        uid: b,
        annotations: {
          "mesh/enabled": "true",
          "mesh/opaque-ports": a,
          "mesh/include-outbound-cidrs": b,
          "kubernetes.io/config.mirror": "x",
          "kubernetes.io/config.hash": a,
        },
        ownerReferences: [{ kind: "ReplicaSet", name: a, controller: true }],
      },
      spec: {
        nodeName: b,
        serviceAccountName: a,
        containers: [
          { name: "c", ports: some.map(({ name, port }) => ({ name, containerPort: port })) },
        ],
      },
    });
  });

test("whatever compiles, decodes", () => {
  fc.assert(
    fc.property(fc.array(anyObject, { maxLength: 4 }), (objects) => {
      const changes = objects
        .flatMap(decodeManifest)
        .flatMap((verdict): Change[] =>
          verdict.kind === "object" ? [{ kind: "apply", object: verdict.object }] : [],
        );
      told(applyChanges(EMPTY_WORLD, changes));
    }),
    { numRuns: 200 },
  );
});
