/** A pod with more interfaces than the mesh's: what comes and goes by the others is left alone, and nothing else is. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { addAddress, listAddresses } from "../../agent/kernel/addresses.ts";
import {
  createBridge,
  createVeth,
  deleteLink,
  linkIndex,
  setLink,
} from "../../agent/kernel/links.ts";
import { openNetlink } from "../../agent/kernel/netlink.ts";
import { writeSysctl } from "../../agent/kernel/netns.ts";
import { addRoute, deleteRoute } from "../../agent/kernel/routes.ts";
import { AF_INET6 } from "../../agent/kernel/socket-constants.ts";
import type { Child } from "../support/child-calls.ts";
import type { PodProcess, Where } from "../support/pod-process.ts";
import type { RedirectAgent } from "../support/redirect-agent.ts";
import { PLACES, RedirectLab, VIP, workload } from "../support/redirect-lab.ts";
import { until } from "../support/until.ts";

const { web, outside } = PLACES;
const PORT = 8080;
/** The second network: the pod's address and the other one's. */
const NET1 = { ipv4: "192.168.77.1", ipv6: "fd99::1" } as const;
const PEER = { ipv4: "192.168.77.2", ipv6: "fd99::2" } as const;

let lab: RedirectLab;
let agent: Child<RedirectAgent>;
let inside: Child<PodProcess>;
let elsewhere: Child<PodProcess>;

before(async () => {
  lab = new RedirectLab();
  inside = await lab.process("web");
  elsewhere = await lab.process("outside");
  for (const place of ["web", "outside"] as const) {
    const server = await lab.process(place);
    for (const host of ["0.0.0.0", "::"]) await server.call("serve", { host, port: PORT });
    for (const name of ["all", "default"])
      writeSysctl(lab.netns(place), `net/ipv4/conf/${name}/rp_filter`, "0");
  }
  agent = await lab.agent();
  await agent.call("apply", [workload("web", {})]);
});

after(() => lab[Symbol.asyncDispose]());

beforeEach(async () => {
  await agent.call("apply", [workload("web", {})]);
});

/** Who answers: `agent`, `application`, or the error. */
async function reached(by: Child<PodProcess>, where: Omit<Where, "port">): Promise<string> {
  const { answer, error } = await by.call("dial", { ...where, port: PORT });
  return answer ?? error ?? "";
}

async function counted(reason: string, work: () => Promise<unknown>): Promise<number> {
  const earlier = await agent.call("counters", undefined);
  await work();
  const later = await agent.call("counters", undefined);
  return Number((later[reason] ?? 0n) - (earlier[reason] ?? 0n));
}

/** Gives the pod `net1`, whose other end is `peer` outside. */
function secondNetwork(): void {
  using pod = openNetlink(lab.netns("web"));
  using peer = openNetlink(lab.netns("outside"));
  createVeth(pod, { name: "net1", peer: { name: "peer", netns: lab.netns("outside") } });
  for (const [netlink, link, { ipv4, ipv6 }] of [
    [pod, "net1", NET1],
    [peer, "peer", PEER],
  ] as const) {
    addAddress(netlink, { link, address: `${ipv4}/24` });
    addAddress(netlink, { link, address: `${ipv6}/64` });
    setLink(netlink, link, { up: true });
  }
}

test("an interface that comes after enrolment is left alone, out and in, in both families", async () => {
  secondNetwork();
  await until(
    "the agent knows of it",
    async () => (await reached(inside, { host: PEER.ipv4 })) === `application sees ${NET1.ipv4}`,
  );
  const out = await counted("outbound-other", async () => {
    assert.equal(await reached(inside, { host: PEER.ipv6 }), `application sees ${NET1.ipv6}`);
    const mapped = { host: `::ffff:${PEER.ipv4}` };
    assert.equal(await reached(inside, mapped), `application sees ${NET1.ipv4}`);
  });
  assert.equal(out, 2);
  const into = await counted("inbound-other", async () => {
    assert.equal(await reached(elsewhere, { host: NET1.ipv4 }), `application sees ${PEER.ipv4}`);
    assert.equal(await reached(elsewhere, { host: NET1.ipv6 }), `application sees ${PEER.ipv6}`);
  });
  assert.equal(into, 2);
  assert.equal(await elsewhere.call("knock", { host: NET1.ipv4, port: 9 }), "ECONNREFUSED");
});

test("the pod's own address on it is the pod's own affair", async () => {
  for (const host of [NET1.ipv4, NET1.ipv6])
    assert.match(await reached(inside, { host }), /^application sees/);
});

test("what was the mesh's business stays so", async () => {
  for (const host of [VIP.ipv4, VIP.ipv6, outside.ipv4, outside.ipv6])
    assert.match(await reached(inside, { host }), /^agent sees/);
  const caught = await counted("inbound-caught", async () => {
    for (const host of [web.ipv4, web.ipv6])
      assert.match(await reached(elsewhere, { host }), /^application sees/);
  });
  assert.equal(caught, 2);
});

test("the pod's address is judged also when it is dialled by the other interface, and the other's address by eth0", async () => {
  using peer = openNetlink(lab.netns("outside"));
  const toPod = { destination: `${web.ipv4}/32`, gateway: NET1.ipv4 };
  addRoute(peer, toPod);
  const caught = await counted("inbound-caught", async () => {
    assert.match(await reached(elsewhere, { host: web.ipv4 }), /^application sees/);
  });
  assert.equal(caught, 1);
  deleteRoute(peer, toPod);
  const toOther = { destination: `${NET1.ipv4}/32`, gateway: web.ipv4 };
  addRoute(peer, toOther);
  // Caught; this test's agent takes it for the pod's own, the real one refuses.
  assert.match(await reached(elsewhere, { host: NET1.ipv4 }), /^agent sees/);
  deleteRoute(peer, toOther);
});

test("dialled from the other interface's address, everything goes its way", async () => {
  const dial = { host: outside.ipv4, source: NET1.ipv4 };
  assert.equal(await reached(inside, dial), `application sees ${NET1.ipv4}`);
  assert.match(await reached(inside, { ...dial, source: web.ipv4 }), /^agent sees/);
});

test("the default route may lead by it, with more special ones by the mesh's interface", async () => {
  using pod = openNetlink(lab.netns("web"));
  using peer = openNetlink(lab.netns("outside"));
  const everything = { destination: "0.0.0.0/0", type: "local", device: "lo" } as const;
  addRoute(peer, everything);
  const service = { destination: "10.96.0.0/16", gateway: outside.ipv4 };
  addRoute(pod, service);
  addRoute(pod, { destination: "default", gateway: PEER.ipv4 });
  await until(
    "it goes by the other interface",
    async () => (await reached(inside, { host: "10.98.0.1" })) === `application sees ${NET1.ipv4}`,
  );
  assert.match(await reached(inside, { host: VIP.ipv4 }), /^agent sees/);
  assert.match(await reached(inside, { host: VIP.ipv6 }), /^agent sees/);
  addRoute(pod, { destination: "default", gateway: outside.ipv4 });
  await until("it goes by the mesh's again", async () =>
    (await reached(inside, { host: "10.98.0.1" })).startsWith("agent"),
  );
  deleteRoute(pod, service);
  deleteRoute(peer, everything);
});

test("a bridge in the pod with a container behind it is left alone, both ways", async () => {
  using pod = openNetlink(lab.netns("web"));
  using container = openNetlink(lab.netns("outside"));
  createBridge(pod, "docker0");
  createVeth(pod, { name: "c0", peer: { name: "c0", netns: lab.netns("outside") } });
  setLink(pod, "c0", { up: true, master: "docker0" });
  addAddress(pod, { link: "docker0", address: "172.31.9.1/24" });
  setLink(pod, "docker0", { up: true });
  addAddress(container, { link: "c0", address: "172.31.9.2/24" });
  setLink(container, "c0", { up: true });
  await until(
    "the agent knows of it",
    async () => (await reached(inside, { host: "172.31.9.2" })) === "application sees 172.31.9.1",
  );
  const into = await counted("inbound-other", async () => {
    assert.equal(await reached(elsewhere, { host: "172.31.9.1" }), "application sees 172.31.9.2");
  });
  assert.equal(into, 1);
  deleteLink(pod, "docker0");
  deleteLink(pod, "c0");
});

test("an interface that goes is forgotten", async () => {
  using pod = openNetlink(lab.netns("web"));
  deleteLink(pod, "net1");
  await until("it is the mesh's business", async () =>
    (await reached(inside, { host: PEER.ipv4 })).startsWith("agent"),
  );
});

test("a strict pod is not reached past the agent by its link-local address, another one as without a mesh", async () => {
  const where = { host: linkLocalOf("web"), scope: linkIndexIn("outside", "web") };
  assert.match(await reached(elsewhere, where), /^application sees fe80:/);
  await agent.call("apply", [workload("web", { mtls: "strict" })]);
  const caught = await counted("inbound-caught", async () => {
    assert.doesNotMatch(await reached(elsewhere, where), /^application/);
  });
  assert.equal(caught, 1);
});

test("a closed pod has no neighbours by its link-local address while the agent is dead", async () => {
  const where = { host: linkLocalOf("web"), scope: linkIndexIn("outside", "web") };
  await agent.call("apply", [workload("web", { fail: "closed" })]);
  assert.match(await reached(elsewhere, where), /^application sees fe80:/);
  await agent[Symbol.asyncDispose](); // SIGKILL
  assert.equal(await reached(elsewhere, where), "ECONNREFUSED");
});

function linkLocalOf(name: "web" | "db"): string {
  using netlink = openNetlink(lab.netns(name));
  const eth0 = linkIndex(netlink, "eth0");
  const local = listAddresses(netlink).find(
    ({ family, index, address }) =>
      family === AF_INET6 && index === eth0 && address.startsWith("fe80:"),
  );
  assert.ok(local);
  return local.address.replace("/64", "");
}

function linkIndexIn(name: "web" | "db" | "outside", link: string): number {
  using netlink = openNetlink(lab.netns(name));
  return linkIndex(netlink, link);
}
