import assert from "node:assert/strict";
import { test } from "node:test";
import { apiOf } from "../../test/support/api-answers.ts";
import { failureText, listItems } from "./cluster.ts";

const CASES = [
  [
    { kind: "away", problem: "ECONNREFUSED" },
    "the API server https://api does not answer (ECONNREFUSED); check the address with kubectl cluster-info",
  ],
  [
    { kind: "refused", status: 401, problem: "Unauthorized" },
    "list pods: the API server https://api does not know this user (401); renew the kubeconfig's credentials",
  ],
  [
    { kind: "refused", status: 403, problem: "pods is forbidden" },
    "list pods: pods is forbidden; ask for that permission, or use another --context",
  ],
  [
    { kind: "refused", status: 500, problem: "etcd" },
    "list pods: the API server answered 500: etcd",
  ],
] as const;

for (const [answer, text] of CASES)
  test(`a failure is told with what to do: ${text.slice(0, 40)}…`, () => {
    assert.equal(failureText("list pods", apiOf({}), answer), text);
  });

test("a list that can't be read says so, and one that is no list too", async () => {
  await assert.rejects(listItems(apiOf({}), "/x"), /^Error: GET \/x: the API server answered 404/);
  await assert.rejects(
    listItems(apiOf({ "/x": { body: "hello" } }), "/x"),
    /the answer has no items; is https:\/\/api an API server\?$/,
  );
  const list = { body: { items: [1, 2] } };
  assert.deepEqual(await listItems(apiOf({ "/x": list }), "/x"), [1, 2]);
});
