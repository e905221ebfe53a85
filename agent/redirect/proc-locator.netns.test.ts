import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { describe, test } from "node:test";
import { type Driver, hierarchy, NodeCgroups } from "../../test/support/node-cgroups.ts";
import { until } from "../../test/support/until.ts";
import type { Located } from "./locator.ts";
import { ProcLocator } from "./proc-locator.ts";

const UID = "0a1b2c3d-0000-4111-8222-33334444aaaa";
const HASH = "0123456789abcdef0123456789abcdef";

function inodeOf(pid: number): number {
  return statSync(`/proc/${pid}/ns/net`).ino;
}

/** A locator whose events are counted by uid. */
function listening(cgroups: string): { locator: ProcLocator; told: Map<string, number> } {
  const locator = new ProcLocator({ proc: "/proc", cgroups });
  const told = new Map<string, number>();
  locator.onChange((uid) => told.set(uid, (told.get(uid) ?? 0) + 1));
  return { locator, told };
}

/** The only namespace found, or why there is none. */
function inode(located: Located): number | string {
  if (located.kind === "absent") return located.reason;
  assert.equal(located.namespaces.length, 1);
  return located.namespaces[0]?.inode ?? 0;
}

/** Whether the namespaces found are still the pod's. */
function confirmed(located: Located): boolean {
  return (
    located.kind === "found" && located.namespaces.every(({ confirm }) => confirm?.() === true)
  );
}

for (const version of [1, 2] as const)
  for (const driver of ["cgroupfs", "systemd"] satisfies Driver[])
    describe(`cgroup v${version}, ${driver} driver`, () => {
      const root = hierarchy(version);
      const skip = root === undefined && `announced: this machine has no cgroup v${version}`;

      test("a pod that runs is found, by its own namespace", { skip }, async () => {
        await using node = new NodeCgroups(root ?? "", driver);
        const sandbox = await node.start(UID);
        const { locator } = listening(node.root);
        using _ = locator;
        const located = locator.locate(UID);
        assert.equal(inode(located), inodeOf(sandbox.pid));
        assert.ok(confirmed(located));
      });

      test("an expected pod is told when it comes, when it is made anew and when it goes", {
        skip,
      }, async () => {
        await using node = new NodeCgroups(root ?? "", driver);
        const { locator, told } = listening(node.root);
        using _ = locator;
        assert.equal(inode(locator.locate(UID)), "no-such-pod");
        const first = await node.start(UID);
        await until("the locator tells", () => told.has(UID));
        assert.equal(inode(locator.locate(UID)), inodeOf(first.pid));

        const second = await node.start(UID);
        assert.notEqual(inodeOf(second.pid), inodeOf(first.pid));
        told.clear();
        await first.end();
        await until("the locator tells", () => told.has(UID));
        assert.equal(inode(locator.locate(UID)), inodeOf(second.pid));

        told.clear();
        await second.end();
        node.remove(UID);
        await until("the locator tells", () => told.has(UID));
        assert.equal(inode(locator.locate(UID)), "no-such-pod");
      });

      test("a pod on the node's network and a static pod are known as such", { skip }, async () => {
        await using node = new NodeCgroups(root ?? "", driver);
        await node.start(UID, "node");
        const fixed = await node.start(HASH);
        const { locator } = listening(node.root);
        using _ = locator;
        assert.equal(inode(locator.locate(UID)), "host-network");
        assert.equal(inode(locator.locate(HASH)), inodeOf(fixed.pid));
      });
    });

test("a pod is found when no directory can be watched, and forgotten ones are not told", async () => {
  await using node = new NodeCgroups(hierarchy(2) ?? hierarchy(1) ?? "", "cgroupfs");
  const { locator, told } = listening("/nowhere");
  using _ = locator;
  locator.locate(UID);
  locator.locate(HASH);
  locator.forget(HASH);
  await node.start(HASH);
  const sandbox = await node.start(UID);
  await until("the locator tells", () => told.has(UID));
  assert.equal(inode(locator.locate(UID)), inodeOf(sandbox.pid));
  assert.equal(told.has(HASH), false);
});

test("a process number that has become another's is not taken for the pod's", async () => {
  await using node = new NodeCgroups(hierarchy(2) ?? hierarchy(1) ?? "", "cgroupfs");
  const sandbox = await node.start(UID);
  const { locator } = listening(node.root);
  using _ = locator;
  const located = locator.locate(UID);
  assert.ok(confirmed(located));
  await sandbox.end();
  assert.equal(confirmed(located), false);
});
