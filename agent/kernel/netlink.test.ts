import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { formatAddress } from "#model/address.ts";
import { addAddress, deleteAddress, listAddresses } from "./addresses.ts";
import { ipBytes, parsePrefixed } from "./ip-bytes.ts";
import {
  createBridge,
  createVeth,
  deleteLink,
  findLink,
  linkIndex,
  listLinks,
  setLink,
} from "./links.ts";
import type { Netlink } from "./netlink.ts";
import { NetlinkError, openNetlink } from "./netlink.ts";
import {
  closeNetns,
  createNetns,
  deleteNetns,
  inNetns,
  netnsCookie,
  openNetns,
  writeSysctl,
} from "./netns.ts";
import { addRoute, deleteRoute, listRoutes } from "./routes.ts";
import { addRule, deleteRule, listRules } from "./rules.ts";
import { AF_INET, AF_INET6 } from "./socket-constants.ts";

test("a text that is no network is refused", () => {
  assert.equal(formatAddress(parsePrefixed("fd00::7/64").bytes), "fd00::7");
  assert.throws(() => ipBytes("fe80::1%lo"), TypeError);
  for (const wrong of ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "fd00::/129", "x"])
    assert.throws(() => parsePrefixed(wrong), TypeError, wrong);
});

describe("rtnetlink in namespaces of our own", () => {
  const dir = mkdtempSync(join(tmpdir(), "nodemesh-netlink-"));
  const paths = [join(dir, "a"), join(dir, "b")] as const;
  let fds: readonly [number, number] = [-1, -1];
  let a: Netlink;
  let b: Netlink;

  before(() => {
    for (const path of paths) createNetns(path);
    fds = [openNetns(paths[0]), openNetns(paths[1])];
    a = openNetlink(fds[0]);
    b = openNetlink(fds[1]);
  });

  after(() => {
    a[Symbol.dispose]();
    b[Symbol.dispose]();
    for (const fd of fds) closeNetns(fd);
    for (const path of paths) deleteNetns(path);
    assert.deepEqual(
      paths.map((path) => existsSync(path)),
      [false, false],
    );
    rmSync(dir, { recursive: true });
  });

  test("the two namespaces have cookies of their own and the thread is back home", () => {
    const home = readFileSync("/proc/thread-self/net/dev", "utf8");
    assert.notEqual(netnsCookie(fds[0]), 0n);
    assert.notEqual(netnsCookie(fds[0]), netnsCookie(fds[1]));
    assert.equal(
      readFileSync("/proc/thread-self/net/dev", "utf8").split("\n").length,
      home.split("\n").length,
    );
  });

  test("a failing function inside a namespace still leaves the thread at home", () => {
    const cookieBefore = openNetlink();
    const links = listLinks(cookieBefore).length;
    assert.throws(() => inNetns(fds[0], () => assert.fail("inside")), /inside/);
    using again = openNetlink();
    assert.equal(listLinks(again).length, links);
    cookieBefore[Symbol.dispose]();
  });

  test("creating a namespace over an existing file is refused and leaves the file", () => {
    assert.throws(() => createNetns(paths[0]), /EEXIST/);
    assert.ok(existsSync(paths[0]));
  });

  test("a veth pair spans two namespaces, with addresses and routes of both families", () => {
    createVeth(a, { name: "va", mtu: 1400, peer: { name: "vb", netns: fds[1] } });
    assert.equal(findLink(a, "va")?.kind, "veth");
    assert.equal(findLink(a, "vb"), undefined);
    assert.equal(findLink(b, "vb")?.mtu, 1400);
    for (const [netlink, link, n] of [
      [a, "va", 1],
      [b, "vb", 2],
    ] as const) {
      addAddress(netlink, { link, address: `10.9.0.${n}/24` });
      addAddress(netlink, { link, address: `fd09::${n}/64` });
      addAddress(netlink, { link, address: `fd09::${n}/64` });
      setLink(netlink, link, { up: true });
      setLink(netlink, "lo", { up: true });
    }
    assert.equal(findLink(a, "va")?.up, true);
    assert.ok(listAddresses(b).some((found) => found.address === "fd09::2/64"));
    addRoute(a, { destination: "default", gateway: "10.9.0.2" });
    addRoute(a, { destination: "fd10::/64", gateway: "fd09::2" });
    addRoute(a, { destination: "10.10.0.0/16", gateway: "10.9.0.2" });
    addRoute(a, { destination: "10.10.0.0/16", gateway: "10.9.0.2" });
    const routes = listRoutes(a, { family: AF_INET, table: 254 });
    assert.equal(routes.filter((route) => route.destination === "10.10.0.0/16").length, 1);
    assert.equal(routes.find((route) => route.destination === "default")?.gateway, "10.9.0.2");
    assert.equal(deleteRoute(a, { destination: "10.10.0.0/16" }), true);
    assert.equal(deleteRoute(a, { destination: "10.10.0.0/16" }), false);
    assert.equal(deleteAddress(a, { link: "va", address: "fd09::1/64" }), true);
    assert.equal(deleteAddress(a, { link: "va", address: "fd09::1/64" }), false);
  });

  test("the redirect's rule and local route are added once and removed whole, in both families", () => {
    for (const family of [AF_INET, AF_INET6] as const) {
      const source = family === AF_INET ? "10.9.0.1" : "fd09::9";
      if (family === AF_INET6) addAddress(a, { link: "va", address: `${source}/64` });
      const rule = { family, mark: 0x6d0000, mask: 0xff0000, table: 7301, priority: 100 };
      const route = {
        destination: "default",
        type: "local",
        device: "lo",
        source,
        table: 7301,
      } as const;
      for (let i = 0; i < 2; i++) {
        addRule(a, rule);
        addRoute(a, route);
      }
      assert.deepEqual(listRules(a, family), [rule]);
      const found = listRoutes(a, { family, table: 7301 });
      assert.deepEqual(
        found.map((one) => [one.destination, one.type, one.source]),
        [["default", 2, source]],
      );
      assert.equal(found[0]?.deviceIndex, linkIndex(a, "lo"));
      assert.equal(deleteRule(a, rule), true);
      assert.equal(deleteRule(a, rule), false);
      assert.equal(deleteRoute(a, route), true);
      assert.equal(deleteRoute(a, route), false);
      assert.deepEqual(listRoutes(a, { family, table: 7301 }), []);
    }
  });

  test("a bridge takes members, and deleting what is gone is no error", () => {
    createBridge(b, "br");
    createVeth(b, { name: "du", peer: { name: "ud" } });
    setLink(b, "du", { master: "br", up: true });
    assert.equal(findLink(b, "du")?.master, linkIndex(b, "br"));
    assert.equal(deleteLink(b, "du"), true);
    assert.equal(deleteLink(b, "du"), false);
  });

  test("a refusal names what was attempted and why", () => {
    assert.throws(
      () => createBridge(b, "br"),
      (error) =>
        error instanceof NetlinkError &&
        error.errno === "EEXIST" &&
        /create bridge br: EEXIST/.test(error.message),
    );
    assert.throws(() => setLink(b, "none", { up: true }), /set link none .*ENODEV/);
    assert.throws(() => addAddress(b, { link: "none", address: "10.0.0.1/8" }), /"none"/);
  });

  test("a setting is written in the namespace and nowhere else", () => {
    const path = "/proc/sys/net/ipv4/ip_forward";
    const home = readFileSync(path, "utf8");
    writeSysctl(fds[0], "net/ipv4/ip_forward", "1");
    assert.equal(
      inNetns(fds[0], () => readFileSync(path, "utf8")),
      "1\n",
    );
    writeSysctl(fds[0], "net/ipv4/ip_forward", "0");
    assert.equal(
      inNetns(fds[0], () => readFileSync(path, "utf8")),
      "0\n",
    );
    assert.equal(readFileSync(path, "utf8"), home);
  });
});
