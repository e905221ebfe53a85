import assert from "node:assert/strict";
import { test } from "node:test";
import { judge, type ReviewQuestion, type ReviewStatus, type Verdict } from "./verdict.ts";

const PREFIX = "authentication.kubernetes.io";
const USERNAME = "system:serviceaccount:nodemesh:nodemesh-agent";

function question(over: Partial<ReviewQuestion> = {}): ReviewQuestion {
  const nodeOfPod = (name: string, uid: string): string | undefined =>
    name === "agent-x" && uid === "u1" ? "n1" : undefined;
  return { node: "n1", namespace: "nodemesh", nodeOfPod, ...over };
}

function review(extra: Record<string, string[]>, over: ReviewStatus = {}): ReviewStatus {
  return {
    authenticated: true,
    audiences: ["nodemesh-control"],
    user: { username: USERNAME, extra },
    ...over,
  };
}

const BY_NODE = { [`${PREFIX}/node-name`]: ["n1"] };
const BY_POD = { [`${PREFIX}/pod-name`]: ["agent-x"], [`${PREFIX}/pod-uid`]: ["u1"] };

function reasonOf(verdict: Verdict): string {
  return verdict.kind === "refused" ? `${verdict.status} ${verdict.reason}` : "admitted";
}

test("an agent is admitted by its token's node, or by its pod's", () => {
  assert.deepEqual(judge(review(BY_NODE), question()), { kind: "admitted" });
  const pod = { kind: "admitted", pod: "u1" };
  assert.deepEqual(judge(review(BY_POD), question()), pod);
  assert.deepEqual(judge(review({ ...BY_NODE, ...BY_POD }), question()), pod);
  const both = ["https://kubernetes.default.svc", "nodemesh-control"];
  assert.deepEqual(judge(review(BY_NODE, { audiences: both }), question()), { kind: "admitted" });
});

test("each wrong token has its own reason", () => {
  const node = { [`${PREFIX}/node-name`]: ["n2"] };
  const pod = { ...BY_POD, [`${PREFIX}/pod-uid`]: ["u2"] };
  const elsewhere = { user: { username: "system:serviceaccount:other:nodemesh-agent" } };
  const cases: Readonly<Record<string, ReviewStatus>> = {
    "401 not-authenticated": {},
    "401 other-audience": review(BY_NODE, { audiences: ["api"] }),
    "403 other-account": review(BY_NODE, elsewhere),
    "403 not-bound": review({}),
    "403 unknown-pod": review(pod),
    "403 other-node": review(node),
  };
  for (const [reason, status] of Object.entries(cases))
    assert.equal(reasonOf(judge(status, question())), reason);
  const silent = { authenticated: true, user: { username: USERNAME, extra: BY_NODE } };
  assert.equal(reasonOf(judge(silent, question())), "401 other-audience");
});

test("the token's own node counts more than what its pod's name says", () => {
  const extra = { ...BY_POD, [`${PREFIX}/node-name`]: ["n2"] };
  assert.equal(reasonOf(judge(review(extra), question())), "403 other-node");
  assert.equal(reasonOf(judge(review(extra), question({ node: "n2" }))), "admitted");
});

test("a pod that is not scheduled has no node to speak for", () => {
  const asked = question({ nodeOfPod: () => "" });
  assert.equal(reasonOf(judge(review(BY_POD), asked)), "403 unknown-pod");
});

test("a system user or a user who is called like an agent is no agent", () => {
  for (const username of ["system:node:n1", "nodemesh-agent", `${USERNAME}x`, ""]) {
    const status = review(BY_NODE, { user: { username, extra: BY_NODE } });
    assert.equal(reasonOf(judge(status, question())), "403 other-account", username);
  }
});
