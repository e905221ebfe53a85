import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import type { Endpoint, Service } from "#model/service.ts";
import type { Workload } from "#model/workload.ts";
import {
  decideFallback,
  type FallbackFacts,
  FallbackWarnings,
  fallbackFacts,
  serviceOf,
} from "./fallback.ts";
import type { Plan } from "./plan.ts";

const LOST: FallbackFacts = {
  dialled: "service",
  controlAway: true,
  strict: false,
  underPolicy: false,
  onceMutual: false,
};

test("only a Service's plain connection goes to its ClusterIP, and only when control is away long", () => {
  const table: readonly (readonly [Partial<FallbackFacts>, "cluster-ip" | "refuse"])[] = [
    [{}, "cluster-ip"],
    [{ controlAway: false }, "refuse"],
    [{ dialled: "other" }, "refuse"],
    [{ strict: true }, "refuse"],
    [{ underPolicy: true }, "refuse"],
    [{ onceMutual: true }, "refuse"],
  ];
  for (const [facts, expected] of table)
    assert.equal(decideFallback({ ...LOST, ...facts }), expected, JSON.stringify(facts));
});

function workload(name: string, mtls: "permissive" | "strict" | undefined): Workload {
  return {
    uid: name,
    name,
    namespace: "shop",
    owner: name,
    serviceAccount: "default",
    node: "n1",
    addresses: [],
    ...(mtls !== undefined && { enrolment: { ...DEFAULT_ENROLMENT, mtls } }),
    ports: [],
  };
}

const PODS = new Map(
  [workload("open", "permissive"), workload("strict", "strict"), workload("out", undefined)].map(
    (pod) => [pod.uid, pod],
  ),
);

function planTo(source: Workload, behind: readonly string[] | "fixed"): Plan {
  const destination = { address: "10.96.0.1", port: 80 };
  const endpoints = (behind === "fixed" ? [] : behind).map(
    (uid, i): Endpoint => ({
      ...{ address: `10.1.0.${i + 2}`, port: 80, state: "unready" },
      ...(uid !== "" && { workload: uid }),
    }),
  );
  const port = { name: "http", port: 80, protocol: "http" as const, endpoints };
  const service: Service = {
    ...{ namespace: "shop", name: "order", addresses: ["10.96.0.1"] },
    balance: { kind: "random" },
    ports: [port],
  };
  return {
    direction: "outbound",
    understanding: "http",
    nextHop:
      behind === "fixed"
        ? { kind: "fixed", address: destination }
        : { kind: "balanced", entry: { service, port, state: undefined } },
    origin: { kind: "own-address" },
    source,
    destination,
    clientAddress: "10.1.0.9",
  };
}

test("strict is who dials, or any pod known behind the Service, ready or not", () => {
  const facts = (from: string, behind: readonly string[] | "fixed"): FallbackFacts => {
    const source = PODS.get(from) ?? assert.fail(from);
    return fallbackFacts(planTo(source, behind), true, (uid) => PODS.get(uid));
  };
  assert.deepEqual(facts("open", ["open", "out", "", "gone"]), LOST);
  assert.equal(facts("open", []).strict, false);
  assert.equal(facts("strict", ["open"]).strict, true);
  assert.equal(facts("open", ["open", "strict"]).strict, true);
  assert.equal(facts("open", "fixed").dialled, "other");
  const open = PODS.get("open") ?? assert.fail();
  assert.equal(serviceOf(planTo(open, [])), "shop/order");
  assert.equal(serviceOf(planTo(open, "fixed")), "");
});

test("each Service is warned of once in a while", () => {
  let now = 0;
  const warnings = new FallbackWarnings(() => now, 60_000);
  const warned = ["a", "a", "b"].map((service) => warnings.warns(service));
  assert.deepEqual(warned, [true, false, true]);
  now = 59_999;
  assert.equal(warnings.warns("a"), false);
  now = 60_000;
  assert.equal(warnings.warns("a"), true);
});
