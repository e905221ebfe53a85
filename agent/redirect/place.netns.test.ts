import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { hierarchy, NodeCgroups } from "../../test/support/node-cgroups.ts";
import { addAddress } from "../kernel/addresses.ts";
import { openNetlink } from "../kernel/netlink.ts";
import { closeNetns, createNetns, deleteNetns, openNetns } from "../kernel/netns.ts";
import type { Located } from "./locator.ts";
import { kernelPlaces } from "./place.ts";
import { ProcLocator } from "./proc-locator.ts";

const UID = "0a1b2c3d-0000-4111-8222-33334444bbbb";
const POD = { path: "pod", address: "10.77.3.2" };
/** As docker in docker makes it. */
const NESTED = { path: "nested", address: "172.17.0.2" };
const THIRD = { path: "third", address: "192.168.9.2" };

/** Files of namespaces with an address each. */
function namespaces(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "nodemesh-place-"));
  t.after(() => {
    for (const { path } of [POD, NESTED, THIRD]) deleteNetns(join(directory, path));
    rmSync(directory, { recursive: true });
  });
  for (const { path, address } of [POD, NESTED, THIRD]) {
    createNetns(join(directory, path));
    const netns = openNetns(join(directory, path));
    using netlink = openNetlink(netns);
    addAddress(netlink, { link: "lo", address: `${address}/32` });
    closeNetns(netns);
  }
  return directory;
}

function found(located: Located): Located & { kind: "found" } {
  assert.equal(located.kind, "found");
  return located as Located & { kind: "found" };
}

for (const first of [POD, NESTED])
  test(`the pod's addresses choose among its namespaces, also when the first is ${first.path}`, async (t) => {
    const directory = namespaces(t);
    const second = first === POD ? NESTED : POD;
    await using node = new NodeCgroups(hierarchy(2) ?? hierarchy(1) ?? "", "cgroupfs");
    for (const { path } of [first, second]) await node.start(UID, { path: join(directory, path) });
    await node.start(UID, "node");
    using locator = new ProcLocator({ proc: "/proc", cgroups: node.root });
    const located = found(locator.locate(UID));
    const places = kernelPlaces(1, "/proc");

    const place = places.open(located, [POD.address], () => {});
    places.close(place);
    assert.equal(place.inode, statSync(join(directory, POD.path)).ino);
    assert.deepEqual(place.addresses, [POD.address]);

    assert.throws(
      () => places.open(located, [THIRD.address], () => {}),
      new RegExp(`${THIRD.address} \\(it has ${first.address}\\); .*${second.address}\\)$`),
    );
  });

test("a namespace that goes between finding and opening is refused, and the others are tried", async (t) => {
  const directory = namespaces(t);
  await using node = new NodeCgroups(hierarchy(2) ?? hierarchy(1) ?? "", "cgroupfs");
  const gone = await node.start(UID, { path: join(directory, NESTED.path) });
  await node.start(UID, { path: join(directory, POD.path) });
  using locator = new ProcLocator({ proc: "/proc", cgroups: node.root });
  const located = found(locator.locate(UID));
  await gone.end();
  const places = kernelPlaces(1, "/proc");
  const place = places.open(located, [POD.address], () => {});
  places.close(place);
  assert.equal(place.inode, statSync(join(directory, POD.path)).ino);
});
