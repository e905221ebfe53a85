import assert from "node:assert/strict";
import { test } from "node:test";
import type { FileEvent } from "./event-lines.ts";
import { type Ending, judge } from "./file-verdict.ts";

const WELL: Ending = { kind: "exited", code: 0, signal: null };
const BADLY: Ending = { kind: "exited", code: 1, signal: null };

function began(name: string): FileEvent {
  return { kind: "started", name };
}

function passed(
  name: string,
  more: { suite?: boolean; skip?: string; todo?: true } = {},
): FileEvent {
  return { kind: "passed", name, suite: false, ...more };
}

function failed(name: string, within = false): FileEvent {
  return { kind: "failed", name, within, why: "1 is not 2" };
}

test("tests count, suites don't, and a suite that failed is told by its tests", () => {
  const events = [passed("a"), failed("b"), failed("both", true), passed("all", { suite: true })];
  const { passed: count, failures } = judge("x.test.ts", events, BADLY, "");
  assert.equal(count, 1);
  assert.deepEqual(failures, ["x.test.ts: b\n    1 is not 2"]);
});

test("a skip is announced or a failure, and so is a todo", () => {
  const reason = "announced: no such kernel";
  const events = [
    passed("a", { skip: reason }),
    passed("b", { skip: "later" }),
    passed("c", { todo: true }),
  ];
  const { passed: count, failures, announced } = judge("x", events, WELL, "");
  assert.equal(count, 0);
  assert.deepEqual(announced, [`x: a (${reason})`]);
  assert.deepEqual(failures, ["x: b: skipped without an announced reason", "x: c: marked todo"]);
});

test("an end that no test tells of is a failure of the file, with the tests that had begun", () => {
  const open = [began("all"), began("a"), passed("a"), began("b")];
  const table: readonly (readonly [Ending, readonly FileEvent[], string])[] = [
    [WELL, [], "x: holds no test that ran"],
    [BADLY, [passed("a")], "x: ended with exit code 1"],
    [{ kind: "exited", code: 7, signal: null }, [failed("a")], "x: ended with exit code 7"],
    [
      { kind: "exited", code: null, signal: "SIGSEGV" },
      open,
      "x: was ended by SIGSEGV, during: all > b",
    ],
    [{ kind: "late", timeoutMs: 2_000 }, open, "x: was not over after 2 s, during: all > b"],
    [{ kind: "aborted", why: "Ctrl-C" }, [], "x: aborted (Ctrl-C)"],
  ];
  for (const [ending, events, failure] of table)
    assert.equal(judge("x", events, ending, "").failures.at(-1), failure);
  assert.deepEqual(judge("x", [passed("a")], WELL, "").failures, []);
});

test("what the file printed stands below its last failure, and nowhere else", () => {
  const { failures } = judge("x", [failed("a"), failed("b")], BADLY, "a word\n");
  assert.deepEqual(failures, [
    "x: a\n    1 is not 2",
    "x: b\n    1 is not 2\n  it printed:\n    a word",
  ]);
  assert.deepEqual(judge("x", [passed("a")], WELL, "a word\n").failures, []);
});
