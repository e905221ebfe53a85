import assert from "node:assert/strict";
import { test } from "node:test";
import { nextStatus, type StatusCondition } from "./status.ts";

const NOW = "2026-01-02T00:00:00Z";
const BEFORE = "2026-01-01T00:00:00Z";

function ready(over: Partial<StatusCondition> = {}): StatusCondition {
  return { type: "Ready", status: "True", reason: "Enrolled", message: "3 pods", ...over };
}

function wanted(condition: StatusCondition): Parameters<typeof nextStatus>[1] {
  return { namespace: "shop", name: "mesh", status: { conditions: [condition] } };
}

test("a status is written when there is none, or a broken one", () => {
  const next = { conditions: [{ ...ready(), lastTransitionTime: NOW }] };
  for (const current of [undefined, null, "x", [], {}, { conditions: "x" }, { conditions: [1] }])
    assert.deepEqual(nextStatus(current, wanted(ready()), NOW), next);
});

test("a status that says the same is left alone", () => {
  const current = { conditions: [{ lastTransitionTime: BEFORE, ...ready() }] };
  assert.equal(nextStatus(current, wanted(ready()), NOW), undefined);
});

test("a condition's time changes with its status only", () => {
  const current = { conditions: [{ ...ready(), lastTransitionTime: BEFORE }], extra: 1 };
  assert.deepEqual(nextStatus(current, wanted(ready({ message: "4 pods" })), NOW), {
    conditions: [{ ...ready({ message: "4 pods" }), lastTransitionTime: BEFORE }],
  });
  assert.deepEqual(nextStatus(current, wanted(ready({ status: "False" })), NOW), {
    conditions: [{ ...ready({ status: "False" }), lastTransitionTime: NOW }],
  });
});

test("fields that only this mesh's status has go along, and absent ones don't differ from undefined ones", () => {
  const status = { conditions: [ready()], pods: 3, hint: undefined };
  const want = { namespace: "shop", name: "mesh", status };
  const current = { conditions: [{ ...ready(), lastTransitionTime: BEFORE }], pods: 3 };
  assert.equal(nextStatus(current, want, NOW), undefined);
  assert.equal(nextStatus({ ...current, pods: 2 }, want, NOW)?.["pods"], 3);
});
