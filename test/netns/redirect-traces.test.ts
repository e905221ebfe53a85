/** What a pod had stays its own: its settings once it leaves, and every port while it is in the mesh. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { readSysctl, writeSysctl } from "../../agent/kernel/netns.ts";
import type { Child } from "../support/child-calls.ts";
import type { PodProcess } from "../support/pod-process.ts";
import type { RedirectAgent } from "../support/redirect-agent.ts";
import { agentsPort, PLACES, RedirectLab, VIP, workload } from "../support/redirect-lab.ts";
import { until } from "../support/until.ts";

const { web, outside } = PLACES;
const SETTINGS = [
  "net/ipv4/tcp_fwmark_accept",
  "net/ipv4/fwmark_reflect",
  "net/ipv6/fwmark_reflect",
] as const;

let lab: RedirectLab;
let agent: Child<RedirectAgent>;
let client: Child<PodProcess>;

before(async () => {
  lab = new RedirectLab();
  client = await lab.process("outside");
});

afterEach(async () => {
  await agent.call("uninstall", undefined);
  await agent[Symbol.asyncDispose]();
});

after(() => lab[Symbol.asyncDispose]());

function settings(): string {
  return SETTINGS.map((name) => readSysctl(lab.netns("web"), name)).join("");
}

function set(values: string): void {
  for (const [i, name] of SETTINGS.entries()) writeSysctl(lab.netns("web"), name, values[i] ?? "0");
}

async function untilOut(values: string): Promise<void> {
  await agent.call("apply", [workload("web")]);
  await agent.call("end", "web");
  await until("the pod has its settings back", () => settings() === values);
}

for (const values of ["000", "100", "011", "111"]) {
  test(`settings that were ${values} are so again afterwards, whoever takes the pod out`, async () => {
    set(values);
    agent = await lab.agent();
    await agent.call("apply", [workload("web", {})]);
    assert.equal(settings(), "111");
    await untilOut(values);

    await agent.call("apply", [workload("web", {})]);
    assert.equal(settings(), "111");
    await agent[Symbol.asyncDispose](); // SIGKILL
    agent = await lab.agent();
    await agent.call("apply", [workload("web", {})]);
    assert.equal(settings(), "111");
    await untilOut(values);

    await agent.call("apply", [workload("web", {})]);
    await agent[Symbol.asyncDispose]();
    agent = await lab.agent();
    await agent.call("apply", [workload("web")]);
    await until("a successor gave them back", () => settings() === values);
  });
}

test("an application that asks for the port of the agent's listeners gets it, and nothing is cut", async () => {
  agent = await lab.agent();
  await agent.call("apply", [workload("web", {})]);
  const echo = await lab.process("web");
  await echo.call("serveEcho", { host: "0.0.0.0", port: 9000 });
  assert.equal(await client.call("hold", { host: web.ipv4, port: 9000, count: 3 }), 3);
  const application = await lab.process("web");
  for (const host of ["0.0.0.0", "::", web.ipv4]) {
    const where = { host, port: agentsPort(lab.netns("web")) };
    await until(
      "the application listens",
      async () => typeof (await application.call("listen", where)) === "number",
    );
    assert.equal(await client.call("knock", { ...where, host: web.ipv4 }), undefined);
    await until("the agent has another port", () => agentsPort(lab.netns("web")) !== where.port);
    assert.equal(await client.call("talk", undefined), 3);
    const { answer } = await application.call("dial", { host: VIP.ipv4, port: 80 });
    assert.match(answer ?? "", /^agent sees/);
    assert.equal(await client.call("hold", { host: web.ipv4, port: 9000, count: 0 }), 3);
  }
});

test("no port that programs are known by is the agent's", async () => {
  agent = await lab.agent();
  await agent.call("apply", [workload("web", {})]);
  for (const port of [15_001, 15_006, 15_007, 15_008, 15_010, 15_020, 15_021]) {
    const server = await lab.process("web");
    for (const host of ["0.0.0.0", "::"]) await server.call("serve", { host, port });
    for (const [host, from] of [
      [web.ipv4, outside.ipv4],
      [web.ipv6, outside.ipv6],
    ] as const) {
      const { answer } = await client.call("dial", { host, port });
      assert.equal(answer, `application sees ${from}`);
    }
  }
});
