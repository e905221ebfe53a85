import assert from "node:assert/strict";
import { test } from "node:test";
import type { Condition } from "../k8s/api/condition.ts";
import { eventOf, type Statement, statementOf } from "./events.ts";

function condition(over: Partial<Condition> = {}): Condition {
  return {
    ref: { kind: "Pod", namespace: "shop", name: "user-1" },
    reason: "malformed-annotation",
    field: "metadata.annotations[mesh/enabled]",
    problem: '"maybe" is neither true nor false',
    nextStep: "write true or false",
    ...over,
  };
}

function statement(over: Partial<Condition> = {}, uid: string | undefined = "u1"): Statement {
  return statementOf(condition(over), uid) ?? assert.fail("there is a statement");
}

test("a condition becomes a warning on its object", () => {
  const event = eventOf(statement(), "control-a", new Date(0));
  assert.match(event.metadata.name ?? "", /^user-1\.[0-9a-f]{16}$/);
  const { name: _, ...metadata } = event.metadata;
  assert.deepEqual(
    { ...event, metadata },
    {
      metadata: { namespace: "shop" },
      involvedObject: {
        kind: "Pod",
        namespace: "shop",
        name: "user-1",
        apiVersion: "v1",
        uid: "u1",
      },
      type: "Warning",
      reason: "MalformedAnnotation",
      message:
        'metadata.annotations[mesh/enabled]: "maybe" is neither true nor false; write true or false',
      count: 1,
      firstTimestamp: new Date(0),
      lastTimestamp: new Date(0),
      source: { component: "nodemesh-control" },
      reportingComponent: "nodemesh-control",
      reportingInstance: "control-a",
    },
  );
});

test("the same statement has the same name, any other another", () => {
  const { name } = statement();
  assert.equal(statement().name, name);
  // Other words for the same problem don't make it another one.
  assert.equal(statement({ nextStep: "say true" }).name, name);
  const others = [
    statement({}, "u2"),
    statement({ problem: "x" }),
    statement({ field: "x" }),
    statement({ reason: "host-network" }),
  ];
  assert.equal(new Set([name, ...others.map((other) => other.name)]).size, 5);
});

test("cluster-wide objects are told about in the default namespace", () => {
  const told = statement({ ref: { kind: "Namespace", namespace: "", name: "shop" } });
  assert.equal(told.namespace, "default");
  assert.equal("namespace" in eventOf(told, "c", new Date(0)).involvedObject, false);
});

test("where there is no object in a cluster nothing is told", () => {
  for (const kind of ["File", "toString", ""])
    assert.equal(
      statementOf(condition({ ref: { kind, namespace: "", name: "x" } }), "u"),
      undefined,
    );
  const nameless = { kind: "Pod", namespace: "shop", name: "" };
  assert.equal(statementOf(condition({ ref: nameless }), "u"), undefined);
});

test("names and messages keep the API server's bounds", () => {
  const name = `${"a".repeat(235)}-.${"b".repeat(15)}`;
  const long = statement({
    ref: { kind: "Pod", namespace: "shop", name },
    problem: "ü".repeat(2000),
  });
  assert.ok(long.name.length <= 253);
  assert.match(long.name, /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/);
  assert.ok(Buffer.byteLength(long.message) <= 1024);
  assert.match(long.message, /ü…$/);
});

test("what a tenant wrote is shown to who describes the object, not obeyed by its terminal", () => {
  const told = statement({ problem: '"\u009b31m\u202ex" is neither', nextStep: "mend\u001b it" });
  assert.match(told.message, /"\\u009b31m\\u202ex" is neither; mend\\u001b it$/);
});
