/** Marks of the mesh in the hands of applications: a connection is the agent's own by its socket, and by nothing else. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MARK_CAUGHT, MARK_INBOUND, MARK_UPSTREAM } from "../../agent/kernel/layout.gen.ts";
import type { Enrolment } from "../../agent/model/enrolment.ts";
import type { Child } from "../support/child-calls.ts";
import type { PodProcess, Where } from "../support/pod-process.ts";
import type { RedirectAgent } from "../support/redirect-agent.ts";
import { PLACES, RedirectLab, workload } from "../support/redirect-lab.ts";

const { db } = PLACES;
const PORT = 8080;
const MARKS = [MARK_UPSTREAM, MARK_INBOUND, MARK_CAUGHT];

let lab: RedirectLab;
let agent: Child<RedirectAgent>;
let attacker: Child<PodProcess>;

before(async () => {
  lab = new RedirectLab();
  attacker = await lab.process("web");
  const server = await lab.process("db");
  for (const host of ["0.0.0.0", "::"]) await server.call("serve", { host, port: PORT });
  agent = await lab.agent();
});

after(() => lab[Symbol.asyncDispose]());

/** Every way to carry a mark to the server, in both families. */
function ways(): Where[] {
  const hosts = [db.ipv4, db.ipv6, `::ffff:${db.ipv4}`];
  return hosts.flatMap((host) =>
    MARKS.flatMap((mark) => [
      { host, port: PORT, mark },
      { host, port: PORT, mark: mark | 0x1234 },
      { host, port: PORT, mark, through: "eth0" },
      { host, port: PORT, lateMark: mark },
      { host, port: PORT, lateMark: mark, through: "eth0" },
    ]),
  );
}

/** How many connections came to the agent so far, by whatever way. */
async function judged(): Promise<number> {
  const counters = await agent.call("counters", undefined);
  return Number((counters["turned-caught"] ?? 0n) + (counters["inbound-caught"] ?? 0n));
}

/** Expects that no connection passes the agent by. */
async function assertJudged(): Promise<void> {
  for (const way of ways()) {
    const earlier = await judged();
    const { answer } = await attacker.call("dial", way);
    if (answer !== undefined) assert.ok((await judged()) > earlier, JSON.stringify(way));
  }
}

async function enrol(wishes: Partial<Enrolment> | undefined): Promise<void> {
  await agent.call("apply", [workload("web", wishes), workload("db", { fail: "closed" })]);
}

for (const [what, wishes] of [
  ["enrolled", {}],
  ["not enrolled", undefined],
  ["the port excluded by itself", { excludeOutboundPorts: [{ first: PORT, last: PORT }] }],
  ["the address excluded by itself", { excludeOutboundCidrs: ["0.0.0.0/0", "::/0"] }],
] as const)
  test(`an application with a mark of the mesh is judged: ${what}`, async () => {
    await enrol(wishes);
    await assertJudged();
  });

test("an application with a mark of the mesh is judged: while it leaves the mesh", async () => {
  await enrol({});
  const held = attacker.call("dial", { host: db.ipv4, port: PORT });
  await enrol(undefined);
  await assertJudged();
  await held;
  await agent.call("end", "web");
});

test("an application with a mark of the mesh reaches no closed pod while the agent is dead", async () => {
  await enrol({});
  await agent[Symbol.asyncDispose](); // SIGKILL
  for (const way of ways()) {
    const { answer } = await attacker.call("dial", way);
    assert.equal(answer, undefined, JSON.stringify(way));
  }
});

test("a mark of the mesh does not stay on a connection that is not the agent's, other bits do", async () => {
  agent = await lab.agent();
  await enrol({ excludeOutboundPorts: [{ first: PORT, last: PORT }] });
  for (const [mark, left] of [
    [MARK_UPSTREAM | 0x12, 0x12],
    [MARK_INBOUND, 0],
    [0x10000034, 0x10000034],
  ] as const) {
    const dialled = await attacker.call("dial", { host: db.ipv4, port: PORT, mark });
    assert.equal(dialled.mark, left);
  }
});
