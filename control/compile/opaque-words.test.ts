import assert from "node:assert/strict";
import { test } from "node:test";
import { applyChanges } from "../world.ts";
import { type Compilation, compile } from "./compile.ts";
import { apply, endpoint, type Loose, namespace, pod, service, slice, worldOf } from "./testing.ts";

const HTTP = [{ name: "http", port: 80, targetPort: 8080 }];
const THERE = [{ name: "http", port: 8080 }];

function order(...endpoints: Loose[]): Loose[] {
  return [
    service("order", { clusterIP: "10.96.0.1", ports: HTTP }),
    slice("order", THERE, endpoints),
  ];
}

function says(ports: string, more: Loose = {}): { meta: Loose } {
  return { meta: { annotations: { "mesh/opaque-ports": ports, ...more } } };
}

function protocolOf({ services }: Compilation, key: string = "shop/order"): string | undefined {
  return services.get(key)?.ports[0]?.protocol;
}

test("a pod's word on its port reaches those who come by a Service, enrolled or not", () => {
  const cases: readonly (readonly [string, Loose, string])[] = [
    ["8080", {}, "tcp"],
    ["8080", { "mesh/enabled": "true" }, "tcp"],
    ["8000-8100", { "mesh/enabled": "false" }, "tcp"],
    ["80", { "mesh/enabled": "true" }, "http"],
    ["", { "mesh/enabled": "true" }, "http"],
  ];
  for (const [ports, more, expected] of cases) {
    const objects = [pod("a", "10.1.0.2", says(ports, more)), ...order(endpoint("10.1.0.2", "a"))];
    assert.equal(protocolOf(compile(worldOf(...objects))), expected, `${ports} ${more}`);
  }
});

test("a namespace says it for its pods; a pod takes it back", () => {
  const shop = namespace("shop", { "mesh/opaque-ports": "8080" });
  const objects = order(endpoint("10.1.0.2", "a"));
  assert.equal(protocolOf(compile(worldOf(shop, pod("a", "10.1.0.2"), ...objects))), "tcp");
  const taken = pod("a", "10.1.0.2", says(""));
  assert.equal(protocolOf(compile(worldOf(shop, taken, ...objects))), "http");
});

test("one opaque pod behind a Service is enough, whether it is ready or not", () => {
  const unready = endpoint("10.1.0.2", "a", { ready: false });
  const world = worldOf(
    pod("a", "10.1.0.2", says("8080")),
    pod("b", "10.1.0.3"),
    ...order(unready, endpoint("10.1.0.3", "b", { ready: true })),
  );
  assert.equal(protocolOf(compile(world)), "tcp");
  const finished = worldOf(
    pod("a", "10.1.0.2", { ...says("8080"), status: { phase: "Failed" } }),
    pod("b", "10.1.0.3"),
    ...order(unready, endpoint("10.1.0.3", "b", { ready: true })),
  );
  assert.equal(protocolOf(compile(finished)), "http", "a pod that has finished says nothing");
});

test("a pod is found by its address where the slice does not name it", () => {
  const bare = { addresses: ["10.1.0.2"], conditions: {} };
  const world = worldOf(pod("a", "10.1.0.2", says("8080")), ...order(bare));
  assert.equal(protocolOf(compile(world)), "tcp");
});

test("a pod on its node's network speaks for itself, not for its neighbours' ports", () => {
  const host = { hostNetwork: true };
  const world = worldOf(
    pod("a", "192.0.2.1", { ...says("1-65535"), spec: host }),
    pod("b", "192.0.2.1", { spec: host }),
    ...order(endpoint("192.0.2.1", "b")),
    service("own", { clusterIP: "10.96.0.2", ports: HTTP }),
    slice("own", THERE, [endpoint("192.0.2.1", "a")]),
  );
  const compiled = compile(world);
  assert.equal(protocolOf(compiled), "http");
  assert.equal(protocolOf(compiled, "shop/own"), "tcp");
});

test("another namespace's slice does not make a pod speak by its uid", () => {
  const foreign = ({ metadata, ...rest }: Loose): Loose => ({
    ...rest,
    metadata: { ...Object(metadata), namespace: "other" },
  });
  const elsewhere = order(endpoint("10.9.9.9", "a")).map(foreign);
  const world = worldOf(pod("a", "10.1.0.2", says("8080")), ...elsewhere);
  assert.equal(protocolOf(compile(world), "other/order"), "http");
});

test("who dials the pod itself learns it from the pod, with its enrolment or without", () => {
  const { workloads } = compile(
    worldOf(
      pod("in", "10.1.0.2", says("8080", { "mesh/enabled": "true" })),
      pod("out", "10.1.0.3", says("8080")),
      pod("silent", "10.1.0.4"),
    ),
  );
  const ranges = [{ first: 8080, last: 8080 }];
  const told = [...workloads.values()].map(({ name, enrolment, opaquePorts }) => [
    name,
    enrolment?.opaquePorts,
    opaquePorts,
  ]);
  assert.deepEqual(told, [
    ["in", ranges, undefined],
    ["out", undefined, ranges],
    ["silent", undefined, undefined],
  ]);
});

test("Services that nobody's word concerns keep their identity, and the word ends with the pod", () => {
  const before = worldOf(
    pod("a", "10.1.0.2", says("8080")),
    pod("b", "10.1.0.3"),
    ...order(endpoint("10.1.0.2", "a"), endpoint("10.1.0.3", "b")),
    service("other", { clusterIP: "10.96.0.2", ports: HTTP }),
    slice("other", THERE, [endpoint("10.1.0.3", "b")]),
  );
  const first = compile(before);
  assert.equal(protocolOf(first), "tcp");
  const moved = applyChanges(before, apply(pod("b", "10.1.0.3", { meta: { labels: { x: "y" } } })));
  const second = compile(moved, first);
  assert.equal(second.services, first.services);
  const gone = applyChanges(moved, [
    { kind: "delete", ref: { kind: "Pod", namespace: "shop", name: "a" } },
    ...apply(slice("order", THERE, [endpoint("10.1.0.3", "b")])),
  ]);
  const third = compile(gone, second);
  assert.equal(protocolOf(third), "http");
  assert.equal(third.services.get("shop/other"), first.services.get("shop/other"));
});
