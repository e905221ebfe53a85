import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { FailPolicy } from "../../agent/model/enrolment.ts";
import type { Child } from "../support/child-calls.ts";
import type { Dialled, PodProcess } from "../support/pod-process.ts";
import type { RedirectAgent } from "../support/redirect-agent.ts";
import { PLACES, RedirectLab, workload } from "../support/redirect-lab.ts";
import { until } from "../support/until.ts";

const { web, outside } = PLACES;
const PORT = 8080;
/** A dead agent must not make anybody wait; a busy machine may. */
const AT_ONCE_MS = 500;

let lab: RedirectLab;
let inside: Child<PodProcess>;
let elsewhere: Child<PodProcess>;

before(async () => {
  lab = new RedirectLab();
  inside = await lab.process("web");
  elsewhere = await lab.process("outside");
  for (const place of ["web", "outside"] as const) {
    const server = await lab.process(place);
    for (const host of ["0.0.0.0", "::"]) await server.call("serve", { host, port: PORT });
  }
});

after(() => lab[Symbol.asyncDispose]());

/** Out of the pod and into it, both families. */
async function dialAllWays(): Promise<Dialled[]> {
  return [
    await inside.call("dial", { host: outside.ipv4, port: PORT }),
    await inside.call("dial", { host: outside.ipv6, port: PORT }),
    await elsewhere.call("dial", { host: web.ipv4, port: PORT }),
    await elsewhere.call("dial", { host: web.ipv6, port: PORT }),
  ];
}

function assertByPolicy(fail: FailPolicy, results: readonly Dialled[]): void {
  for (const { answer, error, milliseconds } of results) {
    if (fail === "closed") assert.equal(error, "ECONNREFUSED");
    else assert.match(answer ?? "", /^application sees/);
    assert.ok(milliseconds < AT_ONCE_MS, `${milliseconds} ms`);
  }
}

async function assertMeshed(agent: Child<RedirectAgent>): Promise<void> {
  const before = await agent.call("counters", undefined);
  const [out4, out6, in4, in6] = await dialAllWays();
  for (const result of [out4, out6]) assert.match(result?.answer ?? "", /^agent sees/);
  for (const result of [in4, in6]) assert.match(result?.answer ?? "", /^application sees/);
  const later = await agent.call("counters", undefined);
  assert.equal((later["inbound-caught"] ?? 0n) - (before["inbound-caught"] ?? 0n), 2n);
}

for (const fail of ["open", "closed"] as const) {
  test(`mesh/fail=${fail}: a killed agent is known dead at once, and its successor adopts the pods`, async () => {
    await using first = await lab.agent();
    await first.call("apply", [workload("web", { fail })]);
    await assertMeshed(first);
    await first[Symbol.asyncDispose](); // SIGKILL
    assertByPolicy(fail, await dialAllWays());

    await using second = await lab.agent();
    assertByPolicy(fail, await dialAllWays());
    await second.call("apply", [workload("web", { fail })]);
    await assertMeshed(second);
    await second.call("uninstall", undefined);
  });

  test(`mesh/fail=${fail}: an agent that hangs is dead after a second and alive again when it goes on`, async () => {
    await using agent = await lab.agent();
    await agent.call("apply", [workload("web", { fail })]);
    agent.process.kill("SIGSTOP");
    await until("the kernel takes the agent for dead", async () => {
      const { answer = "", error } = await inside.call("dial", { host: outside.ipv4, port: PORT });
      return fail === "open" ? answer.startsWith("application") : error === "ECONNREFUSED";
    });
    assertByPolicy(fail, await dialAllWays());
    agent.process.kill("SIGCONT");
    await agent.call("status", undefined);
    await until("the kernel takes the agent for alive", async () => {
      const { answer = "" } = await inside.call("dial", { host: outside.ipv4, port: PORT });
      return answer.startsWith("agent");
    });
    await assertMeshed(agent);
    await agent.call("uninstall", undefined);
  });

  test(`mesh/fail=${fail}: an agent that says goodbye is dead at once`, async () => {
    await using agent = await lab.agent();
    await agent.call("apply", [workload("web", { fail })]);
    await agent.call("stop", undefined);
    assertByPolicy(fail, await dialAllWays());
    await using next = await lab.agent();
    await next.call("uninstall", undefined);
  });
}

test("a successor takes out of the mesh what was un-enrolled while nobody was there", async () => {
  await using first = await lab.agent();
  await first.call("apply", [workload("web", { fail: "closed" })]);
  await first[Symbol.asyncDispose]();
  await using second = await lab.agent();
  await second.call("apply", [workload("web")]);
  assertByPolicy("open", await dialAllWays());
  await second.call("uninstall", undefined);
});
