import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { DeclaredProtocol } from "#model/workload.ts";
import type { Condition } from "../k8s/api/condition.ts";
import { compile } from "./compile.ts";
import { commonProtocol } from "./protocol.ts";
import { endpoint, type Loose, pod, service, slice, worldOf } from "./testing.ts";

/** A Service whose ports are declared by their names, all leading to port 8080 of pod a. */
function leading(name: string, ...names: string[]): Loose[] {
  const ports = names.map((portName, i) => ({ name: portName, port: 80 + i, targetPort: 8080 }));
  const there = names.map((portName) => ({ name: portName, port: 8080 }));
  const ip = `10.96.0.${name.charCodeAt(0)}`;
  return [service(name, { clusterIP: ip, ports }), slice(name, there, [endpoint("10.1.0.2", "a")])];
}

interface Said {
  /** Of each port of each Service. */
  readonly services: readonly string[];
  /** Of port 8080 of the pod. */
  readonly pod: string | undefined;
  readonly conditions: readonly Condition[];
}

function said(...objects: readonly Loose[]): Said {
  const { services, workloads, conditions } = compile(worldOf(...objects));
  const protocols = [...services.values()].flatMap(({ ports }) =>
    ports.map(({ name, protocol }) => `${name} ${protocol}`),
  );
  const [port] = workloads.get("uid-a")?.ports ?? [];
  return { services: protocols, pod: port?.protocol, conditions };
}

const POD = pod("a", "10.1.0.2");

test("each port of a Service has its own protocol, and the pod behind takes none for another", () => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [["http", "tcp-raw"], "tcp"],
    [["tcp-raw", "http"], "tcp"],
    [["http", "raw"], "detect"],
    [["raw", "http"], "detect"],
    [["http", "grpc"], "detect"],
    [["grpc", "http2"], "http2"],
    [["tls", "http"], "tcp"],
    [["tls", "tcp-raw"], "tcp"],
    [["http", "http-admin"], "http"],
  ];
  for (const [names, expected] of cases) {
    const { services, pod: at } = said(POD, ...leading("s", ...names));
    assert.equal(at, expected, names.join(" and "));
    const own = names.map((name) => `${name} ${name === "raw" ? "detect" : name.split("-")[0]}`);
    assert.deepEqual(services, own);
  }
});

test("so it is between Services; who says another protocol than the first is told what it means", () => {
  const { pod: at, conditions } = said(POD, ...leading("y", "tcp-x"), ...leading("x", "http"));
  assert.equal(at, "tcp");
  assert.deepEqual(
    conditions.map(({ ref, reason, problem, nextStep }) => [ref.name, reason, problem, nextStep]),
    [
      [
        "y",
        "protocol-conflict",
        "says tcp for pod port 8080, but Service shop/x says http",
        "declare the same protocol, or give each its own target port; until then bytes are carried unread at the pod",
      ],
    ],
  );
  const alone = said(POD, ...leading("s", "http", "grpc")).conditions;
  assert.match(alone[0]?.problem ?? "", /^says grpc .* another of its ports says http$/);
  assert.match(alone[0]?.nextStep ?? "", /until then the first bytes decide at the pod$/);
  assert.deepEqual(
    said(POD, ...leading("s", "http", "raw")).conditions,
    [],
    "no opinion, no quarrel",
  );
});

test("the container's word on its port counts where Services say nothing, not where they differ", () => {
  const ports = [{ containerPort: 8080, name: "http" }];
  const named = pod("a", "10.1.0.2", { spec: { containers: [{ name: "c", ports }] } });
  assert.equal(said(named, ...leading("s", "raw")).pod, "http");
  assert.equal(said(named, ...leading("s", "http", "raw")).pod, "detect");
  assert.equal(said(named, ...leading("s", "tcp-raw")).pod, "tcp");
});

const PROTOCOLS = ["detect", "http", "http2", "grpc", "tls", "tcp"] as const;
/** How bytes of a protocol are carried by who takes them for another: http2 and grpc are one. */
const BYTES: readonly DeclaredProtocol[] = ["tls", "tcp"];

test("what several say is the same in any order, and never HTTP for who did not say HTTP", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...PROTOCOLS), { minLength: 1 }), (all) => {
      const together = all.reduce(commonProtocol);
      assert.equal(all.toReversed().reduce(commonProtocol), together);
      assert.equal([...all, ...all].reduce(commonProtocol), together);
      if (together === "http") assert.deepEqual(new Set(all), new Set(["http"]));
      if (all.some((one) => BYTES.includes(one))) assert.ok(BYTES.includes(together), together);
      else assert.ok(!BYTES.includes(together), together);
    }),
  );
});
