/** Kubelet's probes of a strict pod: known by a socket of the node's own namespace, let through, also without an agent. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Workload } from "../../agent/model/workload.ts";
import type { Child } from "../support/child-calls.ts";
import type { PodProcess } from "../support/pod-process.ts";
import type { RedirectAgent } from "../support/redirect-agent.ts";
import { PLACES, RedirectLab, workload } from "../support/redirect-lab.ts";

const { web } = PLACES;
const PROBED = 8080;
const OTHER = 8081;
const POD: Workload = { ...workload("web", { mtls: "strict" }), probePorts: [PROBED] };

let lab: RedirectLab;
let agent: Child<RedirectAgent>;
/** In the node's namespace. */
let kubelet: Child<PodProcess>;
/** From the node's address too, as what a NodePort brings, but no socket that the programs see there. */
let masqueraded: Child<PodProcess>;
let stranger: Child<PodProcess>;

before(async () => {
  lab = new RedirectLab();
  kubelet = await lab.process("outside");
  masqueraded = await lab.strangerIn("outside");
  stranger = await lab.process("db");
  const server = await lab.process("web");
  for (const port of [PROBED, OTHER])
    for (const host of ["0.0.0.0", "::"]) await server.call("serve", { host, port });
  agent = await lab.agent();
  await agent.call("apply", [POD]);
});

after(() => lab[Symbol.asyncDispose]());

/** What the kernel counted for one dial in each family, of probes and of what came to the agent. */
async function counted(by: Child<PodProcess>, port: number): Promise<string> {
  const earlier = await agent.call("counters", undefined);
  for (const host of [web.ipv4, web.ipv6]) await by.call("dial", { host, port });
  const later = await agent.call("counters", undefined);
  const since = (reason: string): bigint => (later[reason] ?? 0n) - (earlier[reason] ?? 0n);
  return `${since("inbound-probe")} probes, ${since("inbound-caught")} caught`;
}

test("a declared probe from the node's namespace passes and is counted as one", async () => {
  assert.equal(await counted(kubelet, PROBED), "2 probes, 0 caught");
});

test("nothing else passes as a probe: another port, another pod, the node's address without a socket there", async () => {
  assert.equal(await counted(kubelet, OTHER), "0 probes, 2 caught");
  assert.equal(await counted(stranger, PROBED), "0 probes, 2 caught");
  assert.equal(await counted(masqueraded, PROBED), "0 probes, 2 caught");
});

test("a port from which kubelet asked before is nobody else's way in", async () => {
  const from = 40_001;
  await kubelet.call("dial", { host: web.ipv4, port: PROBED, from });
  const earlier = (await agent.call("counters", undefined))["inbound-probe"];
  await masqueraded.call("dial", { host: web.ipv4, port: PROBED, from });
  assert.equal((await agent.call("counters", undefined))["inbound-probe"], earlier);
});

test("a port that is no probe's any more is judged like any other", async () => {
  await agent.call("apply", [workload("web", { mtls: "strict" })]);
  assert.equal(await counted(kubelet, PROBED), "0 probes, 2 caught");
  await agent.call("apply", [POD]);
  assert.equal(await counted(kubelet, PROBED), "2 probes, 0 caught");
});

test("probes pass while the agent is dead, strangers are refused", async () => {
  await agent[Symbol.asyncDispose](); // SIGKILL
  for (const host of [web.ipv4, web.ipv6]) {
    const probed = await kubelet.call("dial", { host, port: PROBED });
    assert.match(probed.answer ?? "", /^application sees/);
    for (const [by, port] of [
      [kubelet, OTHER],
      [stranger, PROBED],
      [masqueraded, PROBED],
    ] as const)
      assert.equal((await by.call("dial", { host, port })).error, "ECONNREFUSED");
  }
});
