import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hierarchies } from "../cluster/cgroups.ts";
import { MASKED_SETTINGS } from "../cluster/node/files.ts";
import { STATE_ROOT } from "../cluster/spec.ts";
import { leakedSince, machineState, mountsIn, mountWords } from "./machine-state.ts";

const MOUNTINFO = `
24 30 0:22 / /proc rw,nosuid shared:12 - proc proc rw
56 24 0:4 net:[4026532501] /run/netns/pod rw shared:99 - nsfs nsfs rw
61 30 0:50 / ${STATE_ROOT}/test/nodes/node1/var-lib rw - overlay overlay rw,lowerdir=/etc
62 30 0:51 / ${STATE_ROOT}-of-another rw - tmpfs tmpfs rw
`;

test("network namespaces and mounts below the clusters' folder count, others don't", () => {
  assert.deepEqual(mountWords(mountsIn(MOUNTINFO)), [
    "namespace /run/netns/pod",
    `mount ${STATE_ROOT}/test/nodes/node1/var-lib`,
  ]);
});

test("a cgroup that stays is seen in each hierarchy of the machine", async () => {
  const name = `nodemesh-left-${process.pid}`;
  for (const { point, kind } of hierarchies()) {
    const before = machineState("nobody");
    const cgroup = join(point, name);
    mkdirSync(cgroup);
    try {
      const left = await leakedSince(before, "nobody", 0);
      assert.ok(left.includes(`cgroup ${cgroup}`), `${kind} ${point}: ${left}`);
    } finally {
      rmdirSync(cgroup);
    }
  }
});

test("the settings that a cluster's nodes mask are listed with their values", () => {
  const state = [...machineState("nobody")];
  for (const setting of MASKED_SETTINGS) {
    const value = readFileSync(`/proc/sys/${setting}`, "utf8").trim();
    assert.ok(state.includes(`setting ${setting} = ${value}`), setting);
  }
});
