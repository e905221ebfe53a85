/**
 * Programs that die, under load: what must happen is each test's name, what did is what it prints; docs/failures.md
 * has the figures.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { V1Lease, V1Node, V1Pod } from "@kubernetes/client-node";
import { eventually, TestCluster } from "../../harness/cluster.ts";
import {
  assertGoesOn,
  assertUnharmed,
  enrolledOn,
  freshKubelet,
  provesItself,
  type Scene,
  setScene,
  tell,
} from "../../harness/faults.ts";
import {
  agentMetric,
  agentOn,
  installMesh,
  leader,
  MESH_NAMESPACE,
  meshPods,
  meshReady,
  sampleOf,
} from "../../harness/mesh.ts";
import { pod } from "../../harness/pods.ts";

const NAMESPACE = "failures";
const OUTAGE_MS = 60_000;
const SHORT_MS = 15_000;
/** How long a changed annotation may take to be enforced. */
const CHANGE_BUDGET_MS = 5_000;
/** The same right after the API's return, which control may look for up to 8 s later. */
const RETURN_BUDGET_MS = 15_000;
const LEADER_BUDGET_MS = 15_000;
/**
 * Requests of a load that may be under way when an agent dies, and can't be saved: of 30 a second, each of which takes up
 * to 150 ms on a busy machine, that is five. Also of the load on the other node: its agent sends those again of which
 * the dead one's pods had not answered a byte, but the answers that were under way are lost.
 */
const MOST_IN_FLIGHT = 5;
const NODES = ["node1", "node2"];
const CONTROLLERS = ["kube-controller-manager", "kube-scheduler"];
const FLIPS = 2_000;
const FLIPPED_PODS = 20;

const cluster = new TestCluster();
let scene: Scene;

before(async () => {
  await installMesh(cluster);
  scene = await setScene(cluster, NAMESPACE);
});
after(() => scene[Symbol.asyncDispose]());

function proof(): Promise<number> {
  return provesItself(cluster, NAMESPACE, (name) =>
    // Not through the scheduler: how long that one takes to find the API again is not ours.
    pod({ namespace: NAMESPACE, name, node: "node1" }),
  );
}

/** A container on its node. */
interface Container {
  readonly node: string;
  readonly id: string;
}

/** The container of a pod that has one, once the API tells of the one that runs: kubelet may not have told it yet. */
function containerOf(name: string): Promise<Container> {
  return eventually(`the API tells of ${name}'s container`, async () => {
    const { spec, status } = await cluster.get<V1Pod>("pod", name, "-n", MESH_NAMESPACE);
    const node = spec?.nodeName ?? "";
    const id = status?.containerStatuses?.[0]?.containerID?.replace("containerd://", "") ?? "";
    const running = await cluster.inNode(node, "ctr", "-n", "k8s.io", "tasks", "list", "-q");
    return running.split("\n").includes(id) && { node, id };
  });
}

/** Kills a container's process with SIGKILL, from its node. */
async function killContainer({ node, id }: Container): Promise<void> {
  await cluster.inNode(node, "ctr", "-n", "k8s.io", "tasks", "kill", "-s", "SIGKILL", id);
}

test("agent killed: only requests in flight fail, the pods go direct until the next one, which starts by itself", async (t) => {
  const agent = await containerOf(await agentOn(cluster, "node1"));
  const from = Date.now();
  await killContainer(agent);
  await eventually("the next agent catches again", async () => {
    const status = await cluster.get<V1Pod>(
      "pod",
      await agentOn(cluster, "node1"),
      "-n",
      MESH_NAMESPACE,
    );
    const [container] = status.status?.containerStatuses ?? [];
    const started = new Date(container?.state?.running?.startedAt ?? 0).getTime();
    return (
      started >= from - 1_000 &&
      container?.ready &&
      (await agentMetric(
        cluster,
        "node1",
        'nodemesh_kernel_events_total{event="outbound-caught"}',
      )) > 0
    );
  });
  const back = Date.now() - from;
  const sums = await scene.since(from);
  tell(t, sums, `next agent Ready after ${back} ms`);
  for (const [name, { failed, errors, silence }] of Object.entries(sums)) {
    assert.ok(failed <= MOST_IN_FLIGHT, `${name}: ${JSON.stringify(errors)}`);
    assert.ok(silence <= 2, `${name}: ${silence} s`);
  }
  assertGoesOn("fresh", sums.fresh);
  assertGoesOn("kept", sums.kept);
});

/** The Lease by which control elects its leader. */
async function lease(): Promise<{ readonly holder: string; readonly acquired: number }> {
  const args = ["lease", "nodemesh-control", "-n", MESH_NAMESPACE];
  const { spec } = await cluster.get<V1Lease>(...args);
  const acquired = new Date(spec?.acquireTime ?? Number.NaN).getTime();
  return { holder: spec?.holderIdentity ?? "", acquired };
}

/** How often each agent has found control again since a moment (milliseconds since 1970), by its log. */
async function reconnects(since: number): Promise<readonly number[]> {
  const agents = await meshPods(cluster, "agent");
  const logs = agents.map(({ name }) => cluster.log(MESH_NAMESPACE, name));
  return (await Promise.all(logs)).map(
    (log) =>
      log
        .split("\n")
        .filter((line) => line.includes('"message":"control answered"'))
        .map((line): { readonly time: string } => JSON.parse(line))
        .filter(({ time }) => Date.parse(time) >= since).length,
  );
}

test("leader of control killed: another leads within 15 s, no request fails, agents connect anew at most once, changes go on", async (t) => {
  const victim = await containerOf(await leader(cluster));
  const before = await lease();
  const from = Date.now();
  await killContainer(victim);
  const heir = await eventually("another holder", async () => {
    const now = await lease();
    return now.holder !== before.holder && now.holder !== "" && now;
  });
  // By the heir's own word: nodes are namespaces of one machine and have one clock.
  const took = heir.acquired - from;
  const proved = await proof();
  const sums = await scene.since(from);
  const anew = await reconnects(from);
  tell(
    t,
    sums,
    `another leader after ${took} ms, a new pod was enrolled ${proved.toFixed(0)} ms later, agents connected anew ${anew.join(" and ")} times`,
  );
  assert.ok(took <= LEADER_BUDGET_MS, `${took} ms`);
  assert.ok(anew.length === 2 && Math.max(...anew) <= 1, anew.join(" "));
  assertUnharmed(sums);
  await meshReady(cluster);
});

for (const program of ["kubelet", "containerd"] as const)
  test(`${program} of a node killed for 15 s: no request fails, what the API changes is still enforced there`, async (t) => {
    const before = await scene.enrolled();
    const from = Date.now();
    await cluster.kill(program, "node1");
    await scene.changesReach(before, CHANGE_BUDGET_MS);
    await sleep(SHORT_MS - (Date.now() - from));
    cluster.start(program, "node1");
    if (program !== "kubelet") await freshKubelet(cluster, "node1");
    const proved = await proof();
    const sums = await scene.since(from);
    tell(t, sums, `a new pod was enrolled ${proved.toFixed(0)} ms after its return`);
    assertUnharmed(sums);
  });

/** Kills an agent while the API can't be asked; how long the next one took, in milliseconds. */
async function agentDies(agent: Container): Promise<number> {
  const killed = Date.now();
  await killContainer(agent);
  await eventually("the next agent catches", async () => {
    const curl = ["curl", "-sf", "-m", "2", "http://127.0.0.1:15020/metrics"];
    const text = await cluster.inNode("node1", ...curl);
    const wanted = [
      'nodemesh_kernel_events_total{event="outbound-caught"}',
      "nodemesh_enrolled_pods",
    ];
    return wanted.every((series) => sampleOf(text, series) > 0);
  });
  return Date.now() - killed;
}

/** Takes a program away for a time, kills node1's agent in the middle of it; how long the next agent took. */
async function outage(program: "kube-apiserver" | "etcd"): Promise<number> {
  // Its kubelet was started anew since it last died, and so starts it at once: it lets others wait longer each time.
  const agent = await containerOf(await agentOn(cluster, "node1"));
  const from = Date.now();
  await cluster.kill(program);
  // As they do where they elect leaders: a lease that can't be renewed ends them.
  for (const controller of CONTROLLERS) await cluster.kill(controller);
  await sleep(OUTAGE_MS / 2);
  const [took] = await Promise.allSettled([agentDies(agent)]);
  await sleep(Math.max(0, OUTAGE_MS - (Date.now() - from)));
  cluster.start(program);
  if (took.status === "rejected") throw took.reason;
  await eventually("the API answers", async () => (await cluster.ask("/readyz")) === "ok", 60_000);
  return took.value;
}

/** Starts a node's kubelet anew and waits until it says that its node is Ready: its predecessor's word does not count. */
async function readyAnew(node: string): Promise<void> {
  const from = Date.now();
  await freshKubelet(cluster, node);
  await eventually(`${node} is Ready again`, async () => {
    const { status } = await cluster.get<V1Node>("node", node);
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    const said = Date.parse(String(ready?.lastHeartbeatTime));
    return ready?.status === "True" && said > from - (from % 1_000);
  });
}

/**
 * Brings kubelets and Kubernetes' own controllers back, also when what was to be seen before that was not. Controllers of
 * before the outage would take every node for lost at their first look, which is older than it, and all pods for not ready;
 * new ones do so with the pods of a kubelet that has just started, and is not Ready yet.
 */
async function kubernetesBack(): Promise<void> {
  try {
    await Promise.all(NODES.map(readyAnew));
  } finally {
    for (const controller of CONTROLLERS) cluster.start(controller);
  }
}

for (const program of ["kube-apiserver", "etcd"] as const)
  test(`${program} away for 60 s: no request fails, an agent that dies meanwhile comes back with what it knew, then all goes on`, async (t) => {
    const from = Date.now();
    const before = await scene.enrolled();
    let agentBack: number, reached: number;
    try {
      agentBack = await outage(program);
      reached = await scene.changesReach(before, RETURN_BUDGET_MS);
    } finally {
      await kubernetesBack();
    }
    const proved = await proof();
    const sums = await scene.since(from);
    tell(
      t,
      sums,
      `agent killed meanwhile: the next one carried after ${agentBack} ms; a changed annotation was enforced ${reached} ms after the API's return, a new pod enrolled ${proved.toFixed(0)} ms after its kubelet's`,
    );
    assertUnharmed({ kept: sums.kept });
    // An agent died meanwhile, as above.
    assert.ok(sums.fresh.failed <= MOST_IN_FLIGHT, JSON.stringify(sums.fresh.errors));
    assertGoesOn("fresh", sums.fresh);
    await meshReady(cluster);
  });

test("a second agent on a node refuses to start and says why; the first notices nothing", async (t) => {
  const from = Date.now();
  const { spec } = await cluster.get<V1Pod>(
    "pod",
    await agentOn(cluster, "node1"),
    "-n",
    MESH_NAMESPACE,
  );
  const [container] = spec?.containers ?? [];
  const args =
    container?.args?.map((arg) => arg.replace(/^--metrics=.*/, "--metrics=:15021")) ?? [];
  const second = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: MESH_NAMESPACE, name: "second-agent" },
    spec: {
      ...spec,
      restartPolicy: "Never",
      containers: [
        {
          ...container,
          args,
          ports: [],
          livenessProbe: undefined,
          readinessProbe: undefined,
          startupProbe: undefined,
        },
      ],
    },
  };
  try {
    await cluster.apply([second]);
    await cluster.kubectl(
      "-n",
      MESH_NAMESPACE,
      "wait",
      "--for=jsonpath={.status.phase}=Failed",
      "pod/second-agent",
      "--timeout=30s",
    );
    const said = await cluster.log(MESH_NAMESPACE, "second-agent");
    t.diagnostic(said.trim().split("\n").at(-1) ?? "");
    assert.match(said, /another agent/);
  } finally {
    await cluster.kubectl(
      "-n",
      MESH_NAMESPACE,
      "delete",
      "pod",
      "second-agent",
      "--ignore-not-found",
    );
  }
  assertUnharmed(await scene.since(from));
});

test("2,000 flips of annotations: the last word counts, no request fails, the agent's memory stays", async (t) => {
  const names = Array.from({ length: FLIPPED_PODS }, (_, i) => `flipped-${i}`);
  const container = { readinessProbe: undefined };
  await cluster.apply(
    names.map((name) => pod({ namespace: NAMESPACE, name, node: "node1", container })),
  );
  await cluster.kubectl(
    "-n",
    NAMESPACE,
    "wait",
    "--for=condition=Ready",
    "--timeout=90s",
    ...names.map((name) => `pod/${name}`),
  );
  const memory = (): Promise<number> =>
    agentMetric(cluster, "node1", "process_resident_memory_bytes");
  /** Pods of the node that nobody flips: nothing else is enrolled. */
  const unflipped = async (): Promise<number> => {
    const pods = await cluster.pods(NAMESPACE, { fieldSelector: "spec.nodeName=node1" });
    return pods.filter(({ metadata }) => !names.includes(metadata?.name ?? "")).length;
  };
  const before = await memory();
  using api = cluster.api();
  const from = Date.now();
  for (let i = 0; i < FLIPS / FLIPPED_PODS; i++)
    await Promise.all(
      names.map(async (name) => {
        // The last round leaves them out of the mesh.
        const value = i % 2 === 0 ? "true" : "false";
        const body = { metadata: { annotations: { "mesh/enabled": value } } };
        const path = `/api/v1/namespaces/${NAMESPACE}/pods/${name}`;
        const answer = await api.send("PATCH", path, body, "application/merge-patch+json");
        assert.equal(answer.status, 200, answer.body);
      }),
    );
  const flipping = Date.now() - from;
  await eventually(
    "the last word counts",
    async () => (await enrolledOn(cluster, "node1")) === (await unflipped()),
    10_000,
  );
  const settled = Date.now() - from - flipping;
  const sums = await scene.since(from);
  const grown = ((await memory()) - before) / 1e6;
  tell(
    t,
    sums,
    `${FLIPS} flips in ${flipping} ms, settled ${settled} ms after, agent's memory ${grown.toFixed(0)} MB more`,
  );
  assertUnharmed(sums);
  assert.ok(grown < 50, `${grown} MB`);
  await cluster.kubectl("-n", NAMESPACE, "delete", "pod", ...names, "--wait=false");
});
