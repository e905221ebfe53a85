import assert from "node:assert/strict";
import { test } from "node:test";
import { leftIn, linksIn, mountsIn } from "./machine-state.ts";

const MOUNTINFO = `
24 30 0:22 / /proc rw,nosuid shared:12 - proc proc rw
56 24 0:4 net:[4026532501] /run/netns/pod rw shared:99 - nsfs nsfs rw
`;

const NET_DEV = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     120       2    0    0    0     0          0         0      120       2    0    0    0     0       0          0
node-1.100:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
`;

test("mounts are read with their types", () => {
  assert.deepEqual(mountsIn(MOUNTINFO), [
    { point: "/proc", type: "proc" },
    { point: "/run/netns/pod", type: "nsfs" },
  ]);
});

test("links are read without the headings", () => {
  assert.deepEqual(linksIn(NET_DEV), ["lo", "node-1.100"]);
});

test("what goes within the deadline is not left, what stays is", async () => {
  const before = new Set(["lo"]);
  let looks = 0;
  const going = () => new Set(looks++ < 3 ? ["lo", "veth"] : ["lo"]);
  assert.deepEqual(await leftIn(before, going), []);
  assert.equal(looks, 4);
  assert.deepEqual(await leftIn(before, () => new Set(["lo", "veth"]), 0), ["veth"]);
});
