import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { EAFNOSUPPORT } from "../kernel/errno.ts";
import { closeNetns, createNetns, deleteNetns, openNetns } from "../kernel/netns.ts";
import { IP_TRANSPARENT, IPV6_TRANSPARENT, SOL_IP, SOL_IPV6 } from "../kernel/socket-constants.ts";
import { Sockets } from "../kernel/sockets.ts";
import { closeListeners, openListeners } from "./listeners.ts";

/** A kernel that was booted with ipv6.disable=1. */
class WithoutIpv6 extends Sockets {
  override socket(ip: string, netns: number): number {
    return ip.includes(":") ? -EAFNOSUPPORT : super.socket(ip, netns);
  }
}

function namespace(t: TestContext): number {
  const directory = mkdtempSync(join(tmpdir(), "nodemesh-listeners-"));
  createNetns(join(directory, "pod"));
  const netns = openNetns(join(directory, "pod"));
  t.after(() => {
    closeNetns(netns);
    deleteNetns(join(directory, "pod"));
    rmSync(directory, { recursive: true });
  });
  return netns;
}

for (const [kernel, sockets, ipv6] of [
  ["with IPv6", new Sockets(), 1],
  ["without IPv6", new WithoutIpv6(), -1],
] as const)
  test(`a kernel ${kernel} gives transparent listeners of one group on the dummy address`, (t) => {
    const { fds, port } = openListeners(namespace(t), 3, { sockets });
    t.after(() => closeListeners(fds));
    const places = new Set(fds.map((fd) => JSON.stringify(sockets.localAddress(fd))));
    assert.deepEqual([...places], [JSON.stringify({ ip: "192.0.0.8", port })]);
    assert.ok(port > 60_999 && port < 65_536, String(port));
    for (const fd of fds) {
      assert.equal(sockets.getOption(fd, SOL_IP, IP_TRANSPARENT), 1);
      assert.equal(Math.sign(sockets.getOption(fd, SOL_IPV6, IPV6_TRANSPARENT)), ipv6);
    }
  });

test("listeners move to another port than the one they had, also where most are taken", (t) => {
  const netns = namespace(t);
  const first = openListeners(netns, 2);
  t.after(() => closeListeners(first.fds));
  for (let i = 0; i < 20; i++) {
    const next = openListeners(netns, 2, { avoid: first.port });
    closeListeners(next.fds);
    assert.notEqual(next.port, first.port);
  }
});
