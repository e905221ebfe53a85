/** What the simulator says of the mesh itself: its processes' logs, pods that can't be set up, overridden wishes. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { bindMount, detachMount } from "../../agent/kernel/namespace-calls.ts";
import { SimLab } from "../support/sim-lab.ts";
import { until } from "../support/until.ts";

const MANIFESTS = `
apiVersion: v1
kind: Pod
metadata: { name: shy }
spec: { terminationGracePeriodSeconds: 0, containers: [{ name: main, command: [sleep, infinity] }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: group }
spec:
  replicas: 1
  selector: { matchLabels: { app: group } }
  template:
    metadata: { labels: { app: group } }
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: main, command: [sleep, infinity] }] }
`;

let lab: SimLab;

before(async () => {
  lab = await SimLab.start("sim-set-up", MANIFESTS, "--nodes", "1");
});

after(() => lab[Symbol.asyncDispose]());

interface ListedPod {
  readonly name: string;
  readonly netns: string;
  readonly path: string;
  readonly agentState?: string;
  readonly agentDetail?: string;
}

async function podOf(prefix: string): Promise<ListedPod> {
  const { pods } = JSON.parse(await lab.sim("status", "-o", "json")) as {
    readonly pods: readonly ListedPod[];
  };
  const found = pods.find(({ name }) => name.startsWith(prefix));
  assert.ok(found !== undefined, `no pod ${prefix}`);
  return found;
}

/** While it lasts the agent opens a namespace of another kind in the pod's place, and setns(2) refuses that. */
function hideNamespace(netns: string): Disposable {
  bindMount("/proc/self/ns/uts", netns);
  return { [Symbol.dispose]: () => void detachMount(netns) };
}

test("logs shows what an agent and control say, and with -f what the next agent says", async () => {
  const agent = await lab.sim("logs", "agent/node-1");
  assert.match(agent, /^\{.*\}\n$/s);
  assert.equal(await lab.sim("logs", "agent/node-1", "--tail=1"), `${lastLine(agent)}\n`);
  assert.match(await lab.sim("logs", "control"), /^\{.*\}\n$/s);
  const follower = lab.spawn("logs", "-f", "--tail=1", "agent/node-1");
  let heard = "";
  follower.stdout.on("data", (piece: Buffer) => {
    heard += piece;
  });
  await until("the follower heard the last line", () => heard === `${lastLine(agent)}\n`);
  await lab.sim("kill", "agent/node-1");
  await until("it heard the next agent", async () => {
    const all = await lab.sim("logs", "agent/node-1");
    return all.length > agent.length && agent + heard.slice(lastLine(agent).length + 1) === all;
  });
  follower.kill("SIGTERM");
  await once(follower, "exit");
  await lab.sim("wait");
});

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

test("logs says which processes there are, and that they have no containers", async () => {
  const unknown = await lab.run("logs", "agent/node-9");
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /no "agent\/node-9"; there are: control, agent\/node-1/);
  const container = await lab.run("logs", "agent/node-1", "-c", "main");
  assert.equal(container.code, 2);
  assert.match(container.stderr, /agent\/node-1 is a process of the mesh and has no containers/);
});

test("wait and status name a pod that could not be set up, until it could", async () => {
  const { netns } = await podOf("shy");
  const WORDS = /pod\/shy \(could not be set up in the mesh: .*(?:EINVAL|setns).*\)/;
  {
    using _hidden = hideNamespace(netns);
    await lab.sim("annotate", "pod", "shy", "mesh/enabled=true");
    const waited = await lab.run("wait", "--timeout", "1");
    assert.equal(waited.code, 1);
    assert.match(waited.stderr, WORDS);
    const seen = await podOf("shy");
    assert.deepEqual([seen.path, seen.agentState], ["direct", "failed"]);
    assert.match(seen.agentDetail ?? "", /EINVAL|setns/);
    const table = await lab.sim("status");
    assert.match(table, /^simulation sim-set-up: waiting for pod\/shy \(could not be set up/m);
    assert.match(table, /default\/shy .*enrolled \(direct; could not be set up: .*\)/);
    const ready = await lab.run("wait", "--for=condition=Ready", "pod/shy");
    assert.equal(ready.code, 0);
    assert.match(ready.stderr, /^warning: pod\/shy could not be set up in the mesh: /m);
  }
  assert.equal(await lab.sim("wait"), "everything is ready\n");
  const seen = await podOf("shy");
  assert.deepEqual([seen.path, seen.agentDetail], ["proxy", undefined]);
  assert.equal((await lab.run("wait", "--for=condition=Ready", "pod/shy")).stderr, "");
});

test("wait for a Deployment warns of its pod that could not be set up", async () => {
  const { netns, name } = await podOf("group-");
  using _hidden = hideNamespace(netns);
  await lab.sim("annotate", "pod", name, "mesh/enabled=true");
  await until("its agent tried", async () => (await podOf("group-")).agentState === "failed");
  const { code, stderr } = await lab.run("wait", "--for=condition=Available", "deploy/group");
  assert.equal(code, 0);
  assert.match(stderr, new RegExp(`^warning: pod/${name} could not be set up in the mesh: `, "m"));
});

test("wait waits for the agent of an annotated pod, however long control takes", async () => {
  await lab.sim("annotate", "pod", "shy", "mesh/enabled=false", "--overwrite");
  await until("it left", async () => (await podOf("shy")).path === "direct");
  const { control } = JSON.parse(await lab.sim("status", "-o", "json")) as {
    readonly control: { readonly pid: number };
  };
  process.kill(control.pid, "SIGSTOP");
  try {
    await lab.sim("annotate", "pod", "shy", "mesh/enabled=true", "--overwrite");
    const { code, stderr } = await lab.run("wait", "--timeout", "1");
    assert.equal(code, 1);
    assert.match(stderr, /pod\/shy \(its agent does not catch it yet\)/);
  } finally {
    process.kill(control.pid, "SIGCONT");
  }
  await lab.sim("wait");
  assert.equal((await podOf("shy")).path, "proxy");
});

test("apply says that it overrides ipFamilies, and takes the Service", async () => {
  const { code, stderr } = await lab.apply(`
apiVersion: v1
kind: Service
metadata: { name: old-world }
spec: { ipFamilies: [IPv4], ipFamilyPolicy: SingleStack, selector: { app: group }, ports: [{ port: 80 }] }
`);
  assert.equal(code, 0);
  assert.match(
    stderr,
    /^warning: service\/old-world: ipFamilies \[IPv4\] and ipFamilyPolicy SingleStack are overridden/m,
  );
  const { services } = JSON.parse(await lab.sim("status", "-o", "json")) as {
    readonly services: readonly { readonly name: string; readonly clusterIPs: readonly string[] }[];
  };
  assert.equal(services.find(({ name }) => name === "old-world")?.clusterIPs.length, 2);
});
