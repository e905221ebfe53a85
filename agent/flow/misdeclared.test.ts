import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import type { Service } from "#model/service.ts";
import type { Workload } from "#model/workload.ts";
import { misdeclaredPort, misspoken } from "./misdeclared.ts";
import type { NextHop, Plan } from "./plan.ts";

const POD: Workload = {
  uid: "u1",
  name: "user-1",
  namespace: "shop",
  owner: "user",
  serviceAccount: "default",
  node: "n1",
  addresses: ["10.1.0.2"],
  enrolment: DEFAULT_ENROLMENT,
  ports: [],
};
const ORDER: Service = {
  namespace: "shop",
  name: "order",
  addresses: ["10.96.0.1"],
  balance: { kind: "random" },
  ports: [],
};

function planned(nextHop: NextHop): Plan {
  return {
    direction: "outbound",
    understanding: "http",
    nextHop,
    origin: { kind: "own-address" },
    source: POD,
    destination: { address: "10.1.0.3", port: 8080 },
    clientAddress: "10.1.0.2",
  };
}

test("the port that is told of is the one that declares: of the Service dialled, else of the pod", () => {
  const port = { name: "http", port: 80, protocol: "http" as const, endpoints: [] };
  const balanced = planned({ kind: "balanced", entry: { service: ORDER, port, state: "" } });
  assert.deepEqual(misdeclaredPort(balanced, "tls"), {
    ...{ kind: "service", service: "shop/order", port: 80, spoken: "tls" },
  });
  const address = { address: "10.1.0.3", port: 8080 };
  assert.deepEqual(misdeclaredPort(planned({ kind: "fixed", address, workload: POD }), "proxy"), {
    ...{ kind: "pod", pod: "u1", port: 8080, spoken: "proxy" },
  });
  assert.equal(misdeclaredPort(planned({ kind: "fixed", address }), "other"), undefined);
});

test("HTTP, and what may yet be HTTP, is nothing to tell", () => {
  assert.equal(misspoken("http"), undefined);
  assert.equal(misspoken("undecided"), undefined);
  assert.equal(misspoken("http2-preface"), "http2");
  assert.equal(misspoken("other"), "other");
});
