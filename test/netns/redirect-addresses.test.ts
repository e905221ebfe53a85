/** A pod that lacks one of the addresses that the API knows: the others are meshed, and it says so. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { addAddress } from "../../agent/kernel/addresses.ts";
import { ROUTE_TABLE } from "../../agent/kernel/layout.gen.ts";
import { openNetlink } from "../../agent/kernel/netlink.ts";
import { writeSysctl } from "../../agent/kernel/netns.ts";
import { addRoute, listRoutes } from "../../agent/kernel/routes.ts";
import { listRules } from "../../agent/kernel/rules.ts";
import { AF_INET, AF_INET6 } from "../../agent/kernel/socket-constants.ts";
import type { Child } from "../support/child-calls.ts";
import type { PodProcess } from "../support/pod-process.ts";
import type { RedirectAgent } from "../support/redirect-agent.ts";
import { PLACES, RedirectLab, VIP, workload } from "../support/redirect-lab.ts";
import { until } from "../support/until.ts";

const { web, outside } = PLACES;
const PORT = 8080;

let lab: RedirectLab;
let agent: Child<RedirectAgent>;
let inside: Child<PodProcess>;

before(async () => {
  lab = new RedirectLab();
  inside = await lab.process("web");
  const server = await lab.process("web");
  await server.call("serve", { host: "0.0.0.0", port: PORT });
  agent = await lab.agent();
});

after(() => lab[Symbol.asyncDispose]());

/** What an init container's `sysctl -w net.ipv6.conf.all.disable_ipv6=…` does. */
function setIpv6(isOn: boolean): void {
  writeSysctl(lab.netns("web"), "net/ipv6/conf/all/disable_ipv6", isOn ? "0" : "1");
  if (!isOn) return;
  using netlink = openNetlink(lab.netns("web"));
  addAddress(netlink, { link: "eth0", address: `${web.ipv6}/64` });
  addRoute(netlink, { destination: "default", gateway: outside.ipv6 });
}

async function dial(host: string): Promise<string> {
  const { answer, error } = await inside.call("dial", { host, port: PORT });
  return answer?.split(" ")[0] ?? error ?? "";
}

async function status(): Promise<string[]> {
  const pods = await agent.call("status", undefined);
  return pods.map(({ uid, state, detail }) => `${uid} ${state}: ${detail}`);
}

const LACKS = `web caught: the pod does not have its address ${web.ipv6}: only ${web.ipv4} is meshed`;

test("with IPv6 off in the pod its IPv4 is meshed, and the status says what is not", async () => {
  setIpv6(false);
  await agent.call("apply", [workload("web", { fail: "closed" })]);
  assert.equal(await dial(VIP.ipv4), "agent");
  const client = await lab.process("outside");
  const { answer } = await client.call("dial", { host: web.ipv4, port: PORT });
  assert.equal(answer, `application sees ${outside.ipv4}`);
  assert.deepEqual(await status(), [LACKS]);
  await agent.call("apply", [workload("web", { fail: "closed" })]);
  assert.deepEqual(await status(), [LACKS]);
});

test("an address that comes is meshed too, and so is one that goes and comes again", async () => {
  for (let i = 0; i < 2; i++) {
    setIpv6(true);
    await until("IPv6 is meshed", async () => (await dial(VIP.ipv6)) === "agent");
    assert.equal(await dial(VIP.ipv4), "agent");
    assert.deepEqual(await status(), ["web caught: "]);
    setIpv6(false);
    await until("the status says so", async () => (await status())[0] === LACKS);
    assert.equal(await dial(VIP.ipv4), "agent");
  }
});

test("taken out without the address, nothing of it is left", async () => {
  await agent.call("apply", [workload("web")]);
  await agent.call("end", "web");
  using netlink = openNetlink(lab.netns("web"));
  const left = (): number =>
    ([AF_INET, AF_INET6] as const).reduce(
      (sum, family) =>
        sum +
        listRules(netlink, family).length +
        listRoutes(netlink, { family, table: ROUTE_TABLE }).length,
      0,
    );
  await until("nothing is left", async () => left() === 0);
});
