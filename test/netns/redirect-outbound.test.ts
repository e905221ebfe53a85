import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MARK_UPSTREAM } from "../../agent/kernel/layout.gen.ts";
import type { Child } from "../support/child-calls.ts";
import type { Dialled, PodProcess, Where } from "../support/pod-process.ts";
import type { RedirectAgent } from "../support/redirect-agent.ts";
import { PLACES, RedirectLab, VIP, workload } from "../support/redirect-lab.ts";

const { web, outside } = PLACES;
const PORT = 8080;

let lab: RedirectLab;
let agent: Child<RedirectAgent>;
let application: Child<PodProcess>;

before(async () => {
  lab = new RedirectLab();
  application = await lab.process("web");
  // The application and the outside serve the same port: an answer tells who was reached.
  for (const place of ["web", "outside"] as const) {
    const server = await lab.process(place);
    for (const host of ["0.0.0.0", "::"]) {
      await server.call("serve", { host, port: PORT });
      await server.call("serveUdp", { host, port: PORT + (host === "::" ? 1 : 0) });
    }
  }
  agent = await lab.agent();
});

after(() => lab[Symbol.asyncDispose]());

async function dial(where: Where): Promise<Dialled> {
  return application.call("dial", where);
}

/** How often something happened in the kernel while `work` ran. */
async function counted(reason: string, work: () => Promise<unknown>): Promise<number> {
  const earlier = await agent.call("counters", undefined);
  await work();
  const later = await agent.call("counters", undefined);
  return Number((later[reason] ?? 0n) - (earlier[reason] ?? 0n));
}

test("a marked connect reaches the agent, which sees what the application dialled", async () => {
  await agent.call("apply", [workload("web", {})]);
  for (const [host, source, seen] of [
    [VIP.ipv4, web.ipv4, VIP.ipv4],
    [VIP.ipv6, web.ipv6, VIP.ipv6],
    [`::ffff:${VIP.ipv4}`, web.ipv4, VIP.ipv4],
    [outside.ipv4, web.ipv4, outside.ipv4],
    [outside.ipv6, web.ipv6, outside.ipv6],
  ] as const) {
    const result = await dial({ host, port: PORT });
    assert.equal(result.answer, `agent sees ${source} to ${seen} ${PORT}`);
    assert.equal(result.remote, `${seen} ${PORT}`);
    assert.equal(result.local?.split(" ")[0], source);
  }
});

test("every one of many connections is caught, and the kernel counted each", async () => {
  await agent.call("apply", [workload("web", {})]);
  const caught = await counted("turned-caught", async () => {
    for (let i = 0; i < 100; i++) {
      const { answer } = await dial({ host: VIP.ipv4, port: 1000 + i });
      assert.equal(answer, `agent sees ${web.ipv4} to ${VIP.ipv4} ${1000 + i}`);
    }
  });
  assert.equal(caught, 100);
});

test("the application's own bits of the mark are kept", async () => {
  await agent.call("apply", [workload("web", {})]);
  const { mark = 0, answer } = await dial({ host: VIP.ipv4, port: PORT, mark: 0x12345 });
  assert.equal(mark & 0xffffff, 0x12345);
  assert.match(answer ?? "", /^agent sees/);
});

test("an application that sets the agent's mark is not taken for the agent", async () => {
  await agent.call("apply", [workload("web", {})]);
  const { answer } = await dial({ host: outside.ipv4, port: PORT, mark: MARK_UPSTREAM });
  assert.match(answer ?? "", /^agent sees/);
});

test("loopback, the pod's own addresses and UDP are untouched", async () => {
  await agent.call("apply", [workload("web", {})]);
  for (const host of ["127.0.0.1", "::1", web.ipv4, web.ipv6, `::ffff:${web.ipv4}`]) {
    const { answer } = await dial({ host, port: PORT });
    assert.match(answer ?? "", /^application sees/, host);
  }
  const udp = await application.call("dialUdp", { host: outside.ipv4, port: PORT });
  assert.equal(udp, `udp from ${web.ipv4}`);
  const udp6 = await application.call("dialUdp", { host: outside.ipv6, port: PORT + 1 });
  assert.equal(udp6, `udp from ${web.ipv6}`);
});

test("excluded ports go direct, their neighbours do not", async () => {
  const excludeOutboundPorts = [{ first: PORT - 80, last: PORT }];
  await agent.call("apply", [workload("web", { excludeOutboundPorts })]);
  const direct = await counted("outbound-excluded-port", async () => {
    for (const host of [outside.ipv4, outside.ipv6])
      assert.match((await dial({ host, port: PORT })).answer ?? "", /^application sees/);
  });
  assert.equal(direct, 2);
  for (const port of [PORT - 81, PORT + 1])
    assert.match((await dial({ host: outside.ipv4, port })).answer ?? "", /^agent sees/);
});

test("excluded blocks go direct for their own family only", async () => {
  const excludeOutboundCidrs = ["10.77.0.0/16", "::/0"];
  await agent.call("apply", [workload("web", { excludeOutboundCidrs })]);
  for (const host of [outside.ipv4, outside.ipv6, `::ffff:${outside.ipv4}`])
    assert.match((await dial({ host, port: PORT })).answer ?? "", /^application sees/, host);
  assert.match((await dial({ host: VIP.ipv4, port: PORT })).answer ?? "", /^agent sees/);
});

test("with included blocks only these are caught, and excluding wins", async () => {
  const includeOutboundCidrs = [`${VIP.ipv4}/32`, "10.77.0.0/16"];
  const excludeOutboundCidrs = [`${outside.ipv4}/32`];
  const wishes = { includeOutboundCidrs, excludeOutboundCidrs };
  await agent.call("apply", [workload("web", wishes)]);
  assert.match((await dial({ host: VIP.ipv4, port: PORT })).answer ?? "", /^agent sees/);
  assert.match((await dial({ host: PLACES.db.ipv4, port: PORT })).answer ?? "", /^agent sees/);
  for (const host of [outside.ipv4, outside.ipv6])
    assert.match((await dial({ host, port: PORT })).answer ?? "", /^application sees/, host);
});

test("wishes that are taken back leave nothing excluded", async () => {
  await agent.call("apply", [workload("web", {})]);
  for (const host of [outside.ipv4, outside.ipv6])
    assert.match((await dial({ host, port: PORT })).answer ?? "", /^agent sees/, host);
});

test("a pod that is not enrolled is untouched", async () => {
  await agent.call("apply", [workload("web", {}), workload("db")]);
  const neighbour = await lab.process("db");
  const { answer } = await neighbour.call("dial", { host: "10.77.2.1", port: PORT });
  assert.equal(answer, `application sees ${PLACES.db.ipv4}`);
});
