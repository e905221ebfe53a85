import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { SOURCE_PORT_COUNT, SOURCE_PORT_FIRST } from "../../agent/kernel/layout.gen.ts";
import { writeSysctl } from "../../agent/kernel/netns.ts";
import type { Child } from "../support/child-calls.ts";
import type { Dialled, PodProcess, Where } from "../support/pod-process.ts";
import type { RedirectAgent } from "../support/redirect-agent.ts";
import { agentsPort, PLACES, RedirectLab, workload } from "../support/redirect-lab.ts";
import { until } from "../support/until.ts";

const { web, db, outside } = PLACES;
const PORT = 8080;
const CLOSED_PORT = 8081;
/** Enough connections at once for about 100 collisions among SOURCE_PORT_COUNT ports, were it left to chance. */
const MANY = 1500;
/** Enough connections one after the other to take half of SOURCE_PORT_COUNT ports for a minute. */
const SHORT = 10_000;
/** Somewhat more connections than the agent has source ports. */
const MORE_THAN_PORTS = 30_000;
/** From where a kernel chooses by default. */
const KERNELS_PORTS = [32_768, 60_999] as const;

let lab: RedirectLab;
let agent: Child<RedirectAgent>;
let client: Child<PodProcess>;
let earlier: Readonly<Record<string, bigint>>;

before(async () => {
  lab = new RedirectLab();
  client = await lab.process("outside");
  for (const place of ["web", "db"] as const) {
    const server = await lab.process(place);
    for (const host of ["0.0.0.0", "::"]) await server.call("serve", { host, port: PORT });
  }
  agent = await lab.agent();
});

after(() => lab[Symbol.asyncDispose]());

beforeEach(async () => {
  await agent.call("apply", [workload("web", {}), workload("db", {})]);
  earlier = await agent.call("counters", undefined);
});

async function dial(where: Where): Promise<Dialled> {
  return client.call("dial", where);
}

/** From where the client's kernel chooses its ports. */
function clientPorts(first: number, last: number): void {
  writeSysctl(lab.netns("outside"), "net/ipv4/ip_local_port_range", `${first} ${last}`);
}

/** The port in what an application answered. */
function portSeen(answer: string): number {
  return Number(answer.split(" ").at(-1));
}

/** How often something happened in the kernel since the test began. */
async function count(reason: string): Promise<number> {
  const now = await agent.call("counters", undefined);
  return Number((now[reason] ?? 0n) - (earlier[reason] ?? 0n));
}

test("connections from elsewhere reach the agent, and the application sees the client's address", async () => {
  for (const [host, from] of [
    [web.ipv4, outside.ipv4],
    [web.ipv6, outside.ipv6],
    [`::ffff:${web.ipv4}`, outside.ipv4],
  ] as const) {
    const { answer, remote } = await dial({ host, port: PORT });
    assert.equal(answer, `application sees ${from}`);
    assert.equal(remote, `${host.replace("::ffff:", "")} ${PORT}`);
  }
  assert.equal(await count("inbound-caught"), 3);
  assert.equal(await count("inbound-agent"), 3);
});

test("a port nobody listens on is refused, as without a mesh", async () => {
  for (const host of [web.ipv4, web.ipv6]) {
    const { error } = await dial({ host, port: CLOSED_PORT });
    assert.equal(error, "ECONNREFUSED");
  }
});

test("the agent's own listening port can't be hit", async () => {
  const port = agentsPort(lab.netns("web"));
  for (const host of [web.ipv4, web.ipv6]) {
    const { error } = await dial({ host, port });
    assert.equal(error, "ECONNREFUSED");
  }
  const inside = await lab.process("web");
  for (const host of [web.ipv4, "127.0.0.1", "::1", web.ipv6])
    assert.equal((await inside.call("dial", { host, port })).error, "ECONNREFUSED");
  // The two dials from outside: nobody listens there.
  assert.equal(await count("inbound-nobody"), 2);
  assert.equal(await count("inbound-caught"), 0);
});

test("the pod's ports stay free for its applications, also the listener's", async () => {
  const late = await lab.process("web");
  for (const host of ["0.0.0.0", "::"]) await late.call("serve", { host, port: CLOSED_PORT + 1 });
  const { answer } = await dial({ host: web.ipv4, port: CLOSED_PORT + 1 });
  assert.equal(answer, `application sees ${outside.ipv4}`);
});

test("excluded inbound ports go straight to the application", async () => {
  const excludeInboundPorts = [{ first: PORT, last: PORT }];
  await agent.call("apply", [workload("web", { excludeInboundPorts })]);
  for (const host of [web.ipv4, web.ipv6])
    assert.match((await dial({ host, port: PORT })).answer ?? "", /^application sees/);
  assert.equal(await count("inbound-excluded-port"), 2);
  assert.equal(await count("inbound-caught"), 0);
});

test("what the agent dials for a pod goes straight to another pod of the node", async () => {
  for (const [to, from] of [
    [db.ipv4, web.ipv4],
    [db.ipv6, web.ipv6],
  ] as const) {
    const answer = await agent.call("dialFor", { uid: "web", to, port: PORT });
    assert.equal(answer, `application sees ${from}`);
  }
  assert.equal(await count("inbound-agent"), 2);
  assert.equal(await count("inbound-caught"), 0);
  assert.equal(await count("outbound-agent"), 2);
});

test("a pod's direct connection to an enrolled pod of the node is caught there", async () => {
  await agent.call("apply", [workload("web"), workload("db", {})]);
  const neighbour = await lab.process("web");
  const { answer } = await neighbour.call("dial", { host: db.ipv4, port: PORT });
  assert.equal(answer, `application sees ${web.ipv4}`);
  assert.equal(await count("inbound-caught"), 1);
});

for (const family of ["ipv4", "ipv6"] as const) {
  test(`${family}: the agent's source ports never meet the client's own, and are always under its address`, async () => {
    const server = await lab.process("web");
    const port = family === "ipv4" ? 9000 : 9001;
    await server.call("serveEcho", { host: family === "ipv4" ? "0.0.0.0" : "::", port });
    const where = { host: web[family], port };
    // The client has many of the agent's ports, by connections of its own that the agent did not make: only looking helps.
    const excludeInboundPorts = [{ first: port, last: port }];
    await agent.call("apply", [workload("web", { excludeInboundPorts }), workload("db", {})]);
    clientPorts(SOURCE_PORT_FIRST, KERNELS_PORTS[0] - 1);
    const direct = await client.call("hold", { ...where, count: MANY });
    assert.equal(direct, family === "ipv4" ? MANY : 3 * MANY);
    await agent.call("apply", [workload("web", {}), workload("db", {})]);
    clientPorts(...KERNELS_PORTS);
    const held = await client.call("hold", { ...where, count: MANY });
    assert.equal(held, direct + MANY);
    // Here the client closes first, so that the agent's side keeps their ports: the last ones find many taken.
    await client.call("dialMany", { ...where, count: SHORT });
    const seen = (): Promise<Readonly<Record<string, number>>> => server.call("echoed", undefined);
    const total = async (): Promise<number> =>
      Object.values(await seen()).reduce((sum, count) => sum + count, 0);
    await until("the application has seen all", async () => (await total()) >= 2 * MANY + SHORT);
    assert.deepEqual(await seen(), { [outside[family]]: 2 * MANY + SHORT });
    assert.equal(await client.call("talk", undefined), held);
  });
}

test("ipv4: more short connections in a minute than the agent has ports, the application closes", async () => {
  assert.ok(MORE_THAN_PORTS > SOURCE_PORT_COUNT);
  const server = await lab.process("web");
  const port = 9002;
  await server.call("serve", { host: "0.0.0.0", port, ports: true });
  const where = { host: web.ipv4, port, count: MORE_THAN_PORTS };
  const seen = Object.entries(await client.call("dialAll", where));
  assert.equal(
    seen.reduce((sum, [, times]) => sum + times, 0),
    MORE_THAN_PORTS,
  );
  // Never one of those that the client's kernel chooses: its next connection would meet the agent's.
  const strange = seen.filter(([answer]) => {
    const from = portSeen(answer);
    const isAgents =
      from >= SOURCE_PORT_FIRST && (from < KERNELS_PORTS[0] || from > KERNELS_PORTS[1]);
    return !answer.startsWith(`application sees ${outside.ipv4} `) || !isAgents;
  });
  assert.deepEqual(strange, []);
});

test("ipv6: more short connections in a minute than the agent has ports, the client closes", async () => {
  const server = await lab.process("web");
  // Several ports: with 14,116 connections to one of them a client's kernel begins to search long for a port of its own.
  for (const port of [9003, 9004, 9005]) {
    await server.call("serveEcho", { host: "::", port });
    const where = { host: web.ipv6, port, count: MORE_THAN_PORTS / 3 };
    assert.equal(await client.call("ask", where), where.count);
  }
  assert.deepEqual(await server.call("echoed", undefined), { [outside.ipv6]: MORE_THAN_PORTS });
  assert.equal(await count("outbound-agent"), MORE_THAN_PORTS);
});

for (const family of ["ipv4", "ipv6"] as const) {
  test(`${family}: a client that dials from the port of the agent's last connection gets no further than the agent`, async () => {
    const server = await lab.process("web");
    const where = { host: web[family], port: family === "ipv4" ? 9006 : 9007 };
    const host = family === "ipv4" ? "0.0.0.0" : "::";
    await server.call("serve", { host, port: where.port, ports: true });
    for (let times = 1; times <= 20; times++) {
      const { answer } = await client.call("dial", where);
      const from = portSeen(answer ?? "");
      assert.ok(from >= SOURCE_PORT_FIRST, String(answer));
      // May also fail: while the agent's connection is not quite over, the application's end of it gets this SYN.
      await client.call("dial", { ...where, from });
      assert.equal(await count("inbound-agent"), await count("outbound-agent"));
    }
    assert.ok((await count("inbound-caught")) > 20, "not one second dial was a new connection");
  });
}

test("without any free port the connection is reset and counted, and the next one served when there are some", async () => {
  {
    // Three: a process may have fewer descriptors than there are ports.
    await using first = await lab.process("db");
    await using second = await lab.process("db");
    await using third = await lab.process("db");
    const share = (65_536 - SOURCE_PORT_FIRST) / 3;
    let taken = 0;
    for (const [i, hoarder] of [first, second, third].entries()) {
      const from = SOURCE_PORT_FIRST + i * share;
      taken += await hoarder.call("takePorts", { first: from, last: from + share - 1 });
    }
    assert.ok(taken >= 3 * share - 10, `only ${taken} ports could be taken`);
    const { answer, error } = await dial({ host: db.ipv4, port: PORT });
    assert.equal(answer, undefined);
    assert.match(error ?? "", /^ECONN(?:REFUSED|RESET)$/);
    assert.equal(await count("outbound-no-port"), 1);
  }
  const { answer } = await dial({ host: db.ipv4, port: PORT });
  assert.match(answer ?? "", /^application sees/);
  assert.equal(await count("outbound-no-port"), 1);
});
