import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { ROUTE_TABLE } from "../../agent/kernel/layout.gen.ts";
import { findLink } from "../../agent/kernel/links.ts";
import { openNetlink } from "../../agent/kernel/netlink.ts";
import { inNetns } from "../../agent/kernel/netns.ts";
import { listRoutes } from "../../agent/kernel/routes.ts";
import { listRules } from "../../agent/kernel/rules.ts";
import { AF_INET, AF_INET6 } from "../../agent/kernel/socket-constants.ts";
import type { Child } from "../support/child-calls.ts";
import type { PodProcess } from "../support/pod-process.ts";
import { PLACES, type PlaceName, RedirectLab, VIP, workload } from "../support/redirect-lab.ts";
import { until } from "../support/until.ts";

const PORT = 8080;
const SETTINGS = [
  "net/ipv4/tcp_fwmark_accept",
  "net/ipv4/fwmark_reflect",
  "net/ipv6/fwmark_reflect",
] as const;

let lab: RedirectLab;
let inside: Child<PodProcess>;

before(async () => {
  lab = new RedirectLab();
  inside = await lab.process("web");
  const server = await lab.process("outside");
  for (const host of ["0.0.0.0", "::"]) await server.call("serve", { host, port: PORT });
});

after(() => lab[Symbol.asyncDispose]());

/** Everything the mesh may have put into a namespace, as words. */
function tracesIn(name: PlaceName): string[] {
  const netns = lab.netns(name);
  using netlink = openNetlink(netns);
  const families = [AF_INET, AF_INET6] as const;
  return [
    ...families.flatMap((family) => listRules(netlink, family)).map((rule) => `rule ${rule.mark}`),
    ...families
      .flatMap((family) => listRoutes(netlink, { family, table: ROUTE_TABLE }))
      .map((route) => `route ${route.source}`),
    ...SETTINGS.filter(
      (path) => inNetns(netns, () => readFileSync(`/proc/sys/${path}`, "utf8").trim()) !== "0",
    ),
  ];
}

async function reached(): Promise<string> {
  const { answer, error } = await inside.call("dial", { host: PLACES.outside.ipv4, port: PORT });
  return answer?.split(" ")[0] ?? error ?? "";
}

test("enrolling and un-enrolling again and again ends as it began", async () => {
  const agent = await lab.agent();
  for (let i = 0; i < 20; i++) {
    await agent.call("apply", [workload("web", {})]);
    assert.equal(tracesIn("web").length, 7);
    assert.equal(await reached(), "agent");
    await agent.call("apply", [workload("web")]);
    assert.equal(await reached(), "application");
    await agent.call("end", "web");
    await until("nothing is left in the namespace", () => tracesIn("web").length === 0);
  }
  assert.deepEqual(await agent.call("status", undefined), []);
  await agent.call("uninstall", undefined);
  assert.ok(!existsSync(`${lab.bpffs}/agent`));
  await agent[Symbol.asyncDispose]();
});

test("the same snapshot twice changes nothing", async () => {
  const agent = await lab.agent();
  const snapshot = [workload("web", { fail: "closed" }), workload("db", {})];
  await agent.call("apply", snapshot);
  const traces = tracesIn("web");
  await agent.call("apply", snapshot);
  assert.deepEqual(tracesIn("web"), traces);
  assert.deepEqual(
    (await agent.call("status", undefined)).map(({ uid, state }) => [uid, state]),
    [
      ["web", "caught"],
      ["db", "caught"],
    ],
  );
  await agent.call("uninstall", undefined);
  for (const pod of ["web", "db"] as const) assert.deepEqual(tracesIn(pod), []);
  await agent[Symbol.asyncDispose]();
});

test("while relayed connections are left, the way back stays, and new ones go direct", async () => {
  const agent = await lab.agent();
  await agent.call("apply", [workload("web", {})]);
  await agent.call("apply", [workload("web")]);
  assert.equal(await reached(), "application");
  assert.equal(tracesIn("web").length, 7);
  assert.deepEqual(
    (await agent.call("status", undefined)).map(({ state }) => state),
    ["leaving"],
  );
  await agent.call("apply", [workload("web", {})]);
  assert.equal(await reached(), "agent");
  await agent.call("uninstall", undefined);
  await agent[Symbol.asyncDispose]();
});

test("uninstalling after a crash takes everything with it", async () => {
  const first = await lab.agent();
  await first.call("apply", [workload("web", { fail: "closed" })]);
  await first[Symbol.asyncDispose]();
  assert.equal(tracesIn("web").length, 7);
  const second = await lab.agent();
  await second.call("apply", [workload("web")]);
  await second.call("uninstall", undefined);
  assert.deepEqual(tracesIn("web"), []);
  assert.ok(!existsSync(`${lab.bpffs}/agent`));
  await second[Symbol.asyncDispose]();
});

test("a deleted pod's namespace goes at once, although the agent listened in it", async () => {
  const agent = await lab.agent();
  await agent.call("apply", [workload("db", {})]);
  const application = await lab.process("db");
  assert.match(
    (await application.call("dial", { host: VIP.ipv4, port: 1 })).answer ?? "",
    /^agent/,
  );
  await application[Symbol.asyncDispose]();
  lab.delete("db");
  // The kernel removes a dying namespace's end of a veth, and with it the other end.
  using netlink = openNetlink(lab.netns("outside"));
  await until("the veth is gone", () => findLink(netlink, "db") === undefined);
  assert.deepEqual(
    (await agent.call("status", undefined)).map(({ uid, state, detail }) => [uid, state, detail]),
    [["db", "out", "no-such-pod"]],
  );
  await agent.call("uninstall", undefined);
  await agent[Symbol.asyncDispose]();
});
