import assert from "node:assert/strict";
import { test } from "node:test";
import { podsOf } from "../../test/support/enrolled-pods.ts";
import { Enrolments } from "./enrolments.ts";

/** Who is told what, after each of these looks. */
function told(enrolments: Enrolments, ...looks: readonly string[]): readonly string[] {
  return looks.map((words) =>
    enrolments
      .look(podsOf(words))
      .map(({ ref, reason }) => `${ref.name} ${reason}`)
      .join(),
  );
}

test("who comes into the mesh or leaves it is told, who was in it before is not", () => {
  const enrolments = new Enrolments();
  assert.deepEqual(told(enrolments, "a+ b", "a+ b+ c+", "a b+ c+"), [
    "",
    "b Enrolled,c Enrolled",
    "b Enrolled,c Enrolled,a Unenrolled",
  ]);
});

test("what was told is told no more, what was not is the last word about a pod that is there", () => {
  const enrolments = new Enrolments();
  enrolments.look(podsOf("a b c"));
  const [a] = enrolments.look(podsOf("a+ b+ c+"));
  assert.ok(a !== undefined);
  enrolments.told(a);
  assert.deepEqual(told(enrolments, "a+ b+ c+", "a+ b c+", "a+ b"), [
    "b Enrolled,c Enrolled",
    "b Unenrolled,c Enrolled",
    "b Unenrolled",
  ]);
});

test("the statement is of the pod that is meant, and says what follows", () => {
  const enrolments = new Enrolments();
  enrolments.look(podsOf("web"));
  const [statement] = enrolments.look(podsOf("web+"));
  assert.deepEqual(statement?.ref, { kind: "Pod", namespace: "shop", name: "web" });
  assert.deepEqual([statement?.uid, statement?.type], ["uid-web", "Normal"]);
  assert.match(statement?.message ?? "", /agent of node n1, .*nodemesh status web -n shop/);
});
