import assert from "node:assert/strict";
import { test } from "node:test";
import { type KindSteps, runKind } from "./cluster-kind.ts";
import type { GroupResult } from "./group-run.ts";

const TESTED: GroupResult = {
  name: "cluster",
  files: 2,
  passed: 5,
  failures: ["a: b"],
  announced: [],
  seconds: 1,
  slowest: [{ file: "a", seconds: 1 }],
};

function steps(over: Partial<KindSteps>, taken: string[] = []): KindSteps {
  const step = (name: string) => async (): Promise<void> => {
    taken.push(name);
  };
  const test = async (): Promise<GroupResult> => {
    taken.push("test");
    return TESTED;
  };
  const say = (): void => undefined;
  const [up, save, down] = [step("up"), step("save"), step("down")];
  return { name: "ipv4", files: 2, up, test, save, down, say, ...over };
}

function failing(message: string): () => Promise<never> {
  return () => Promise.reject(new Error(message));
}

test("a cluster is brought up, tested in and taken down, and the result is the tests' under its own name", async () => {
  const taken: string[] = [];
  const passed = { ...TESTED, failures: [] };
  const result = await runKind(steps({ test: () => Promise.resolve(passed) }, taken));
  assert.deepEqual(taken, ["up", "down"]);
  assert.deepEqual({ ...result, seconds: 1 }, { ...passed, name: "ipv4" });
});

test("of tests that failed the logs are kept before the cluster is taken down, and the result is theirs", async () => {
  const taken: string[] = [];
  const result = await runKind(steps({}, taken));
  assert.deepEqual(taken, ["up", "test", "save", "down"]);
  assert.deepEqual({ ...result, seconds: 1 }, { ...TESTED, name: "ipv4" });
  const full = await runKind(steps({ save: failing("disk full") }, taken));
  assert.deepEqual([full.passed, full.failures.length, taken.at(-1)], [5, 2, "down"]);
});

test("a cluster that does not come up is a failure, is not tested in, and is taken down", async () => {
  const taken: string[] = [];
  const said: string[] = [];
  const say = (line: string): number => said.push(line);
  const result = await runKind(steps({ up: failing("no room"), say }, taken));
  assert.deepEqual(taken, ["save", "down"]);
  assert.deepEqual([result.files, result.passed, result.failures.length], [2, 0, 1]);
  assert.match(result.failures[0] ?? "", /^ipv4: the cluster does not come up: Error: no room/);
  assert.match(said.join(), /FAIL ipv4: .*no room/);
});

test("one that can't be taken down hides neither its tests' result nor why it did not come up", async () => {
  const tested = await runKind(steps({ down: failing("busy") }));
  assert.equal(tested.passed, 5);
  assert.equal(tested.failures[0], "a: b");
  assert.match(tested.failures[1] ?? "", /can't be taken down: Error: busy/);
  const neither = await runKind(steps({ up: failing("no room"), down: failing("busy") }));
  assert.equal(neither.failures.length, 2);
  const broken = await runKind(steps({ test: failing("no runner") }));
  assert.match(broken.failures[0] ?? "", /the tests do not run: Error: no runner/);
});
