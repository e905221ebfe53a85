import assert from "node:assert/strict";
import { test } from "node:test";
import type { MisdeclaredPort } from "#model/misdeclared.ts";
import { type Compilation, compile } from "./compile.ts";
import { MAX_TOLD_PORTS, misdeclaredConditions } from "./misdeclared-ports.ts";
import { endpoint, type Loose, pod, service, slice, worldOf } from "./testing.ts";

const PORTS = [
  { name: "tcp-x", port: 9000, targetPort: 9000 },
  { name: "http", port: 80, targetPort: 8080 },
];
const THERE = [
  { name: "tcp-x", port: 9000 },
  { name: "http", port: 8080 },
];
const NAMED = [{ name: "c", ports: [{ containerPort: 7000, name: "http" }] }];

function shop(annotations: Loose = {}): Compilation {
  return compile(
    worldOf(
      pod("a", "10.1.0.2", { meta: { annotations }, spec: { containers: NAMED } }),
      pod("b", "10.1.0.3"),
      service("order", { clusterIP: "10.96.0.1", ports: PORTS }),
      slice("order", THERE, [endpoint("10.1.0.2", "a"), endpoint("10.1.0.3", "b")]),
      service("peers", { clusterIP: "None", ports: [{ name: "http", port: 6000 }] }),
      slice("peers", [{ name: "http", port: 6000 }], [endpoint("10.1.0.3", "b")]),
    ),
  );
}

const ORDER: MisdeclaredPort = { kind: "service", service: "shop/order", port: 80, spoken: "tls" };

function at(pod: string, port: number): MisdeclaredPort {
  return { kind: "pod", pod: `uid-${pod}`, port, spoken: "tls" };
}

function told(ports: readonly MisdeclaredPort[], world: Compilation = shop()): readonly string[] {
  return misdeclaredConditions(ports, world).map(
    ({ ref, field, reason }) => `${reason} ${ref.kind} ${ref.namespace}/${ref.name} ${field}`,
  );
}

test("one condition for a port, whoever saw it and whatever was spoken", () => {
  const seen = [ORDER, at("a", 8080), at("b", 8080), { ...ORDER, spoken: "proxy" as const }];
  const [condition, ...others] = misdeclaredConditions(seen, shop());
  assert.deepEqual(others, []);
  assert.deepEqual(condition, {
    ref: { kind: "Service", namespace: "shop", name: "order" },
    reason: "misdeclared-port",
    field: "spec.ports[1]",
    problem:
      "port 80 is declared http, but clients speak something else there, which is carried as bytes",
    nextStep:
      "seen was TLS and the PROXY protocol: let the port's name begin with tcp (appProtocol: tcp)",
  });
  const [alone] = misdeclaredConditions([{ ...ORDER, spoken: "http2" }], shop());
  assert.equal(alone?.problem, condition.problem, "so that it stays the same Event");
  assert.match(alone?.nextStep ?? "", /^seen was HTTP\/2: .* http2 or grpc/);
});

test("a headless Service's port is told on the Service, a container's own on its pod", () => {
  assert.deepEqual(told([at("b", 6000)]), ["misdeclared-port Service shop/peers spec.ports[0]"]);
  assert.deepEqual(told([at("a", 7000)]), ["misdeclared-port Pod shop/a spec.containers.ports"]);
});

test("what is not declared http, or not there, is nobody's mistake", () => {
  const none: readonly MisdeclaredPort[] = [
    { ...ORDER, port: 9000 },
    { ...ORDER, port: 1 },
    { ...ORDER, service: "shop/gone" },
    at("a", 9000),
    at("b", 7000),
    at("gone", 8080),
  ];
  assert.deepEqual(told(none), []);
  // Its owner has called it opaque since.
  const opaque = shop({ "mesh/opaque-ports": "8080,7000" });
  assert.deepEqual(told([ORDER, at("a", 8080), at("a", 7000)], opaque), []);
});

test("the whole cluster's list is bounded", () => {
  const ports = Array.from({ length: 900 }, (_, i) => ({ name: `http-${i}`, port: i + 1 }));
  const world = compile(worldOf(service("order", { clusterIP: "10.96.0.1", ports })));
  const seen = ports.map(({ port }) => ({ ...ORDER, port }));
  assert.equal(misdeclaredConditions(seen, world).length, MAX_TOLD_PORTS);
});
