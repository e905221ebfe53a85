import assert from "node:assert/strict";
import { test } from "node:test";
import { calledAs, inOwnWords } from "./called-as.ts";

test("the name of the program or of a link to it says how it was called", () => {
  const plugin = { name: "kubectl nodemesh", completes: false };
  assert.deepEqual(calledAs("/usr/local/bin/kubectl-nodemesh"), plugin);
  assert.deepEqual(calledAs("kubectl_complete-nodemesh"), { ...plugin, completes: true });
  for (const path of ["bin/nodemesh", "/x/control/cli/main.ts", ""])
    assert.deepEqual(calledAs(path), { name: "nodemesh", completes: false });
});

test("commands are named as they are typed, and nothing else is", () => {
  const words = (text: string): string =>
    inOwnWords(text, "kubectl nodemesh", ["check", "install", "status"]);
  assert.equal(
    words("nodemesh install -n x | kubectl apply -f -; `nodemesh check` says more"),
    "kubectl nodemesh install -n x | kubectl apply -f -; `kubectl nodemesh check` says more",
  );
  for (const text of [
    "no pod of nodemesh is in namespace nodemesh: see",
    "kubectl nodemesh check",
    "bin/nodemesh status",
    "deployment/nodemesh-control",
    "nodemesh checks",
  ])
    assert.equal(words(text), text);
  assert.equal(inOwnWords("nodemesh check", "nodemesh", ["check"]), "nodemesh check");
});
