import assert from "node:assert/strict";
import { test } from "node:test";
import { choose, groupOf } from "./test-groups.ts";

const SUITE = "test/cluster/suite/ipv4/roles.test.ts";
const SPEC = "test/cluster/spec.test.ts";
const DRAIN = "test/sim/drain.sim.test.ts";
const CODEC = "agent/model/codec.test.ts";
const FILES = [SUITE, SPEC, DRAIN, CODEC] as const;

test("a file belongs to one group, by its folder or its name", () => {
  const groups = FILES.map((file) => groupOf(file).name);
  assert.deepEqual(groups, ["cluster", "unit", "sim", "unit"]);
  assert.equal(groupOf("agent/redirect/place.netns.test.ts").name, "netns");
});

test("files on demand run when they are named, and with nothing else", () => {
  assert.deepEqual(choose(FILES, []), [SPEC, DRAIN, CODEC]);
  assert.deepEqual(choose(FILES, ["cluster"]), [SUITE]);
  assert.deepEqual(choose(FILES, ["test/cluster/suite/"]), [SUITE]);
  assert.deepEqual(choose(FILES, [`./${SUITE}`]), [SUITE]);
  assert.deepEqual(choose(FILES, ["test/cluster"]), [SPEC]);
});

test("words name groups, folders and files, each file once; a word that names nothing is an error", () => {
  assert.deepEqual(choose(FILES, ["sim", "test/sim", DRAIN]), [DRAIN]);
  assert.throws(() => choose(FILES, ["test/si"]), /"test\/si" names no test file/);
});
