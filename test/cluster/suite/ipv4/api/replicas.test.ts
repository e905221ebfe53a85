/**
 * What control's replicas do with a real API server: the CA, agents' tokens, the election, Events. The suite
 * needs nothing but an API server and works in a namespace of its own.
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CoordinationV1Api,
  CoreV1Api,
  type KubeConfig,
  V1MicroTime,
  type V1Pod,
  type V1PodSpec,
} from "@kubernetes/client-node";
import { connectTls } from "../../../../../agent/state/session.ts";
import { SnapshotStore } from "../../../../../agent/state/store.ts";
import { followControl, type StreamStatus } from "../../../../../agent/state/stream.ts";
import type { Condition } from "../../../../../control/k8s/api/condition.ts";
import { decodeManifest } from "../../../../../control/k8s/api/decode.ts";
import type { Pipeline } from "../../../../../control/pipeline.ts";
import { AgentRegistry } from "../../../../../control/publish/agents.ts";
import { Publisher } from "../../../../../control/publish/publisher.ts";
import { PublishServer } from "../../../../../control/publish/server.ts";
import { type Replica, startReplica } from "../../../../../control/replica.ts";
import { EMPTY_WORLD } from "../../../../../control/world.ts";
import { TestCluster } from "../../../harness/cluster.ts";

/** Nothing is known and nothing is wrong. */
const QUIET: Pick<Pipeline, "world" | "conditions"> = { world: EMPTY_WORLD, conditions: () => [] };

/** What the API leaves out of typed answers. */
const POD = { apiVersion: "v1", kind: "Pod" };

/** The cluster as the suite sees it. */
class Lab {
  readonly namespace: string = `control-${randomBytes(4).toString("hex")}`;
  /** No kubelet serves it, so nothing runs. Kubernetes removes its pods after 40 s: enough for their tokens. */
  readonly node: string = `no-such-node-${randomBytes(4).toString("hex")}`;
  readonly kube: KubeConfig;
  readonly core: CoreV1Api;
  readonly leases: CoordinationV1Api;
  readonly stack: AsyncDisposableStack = new AsyncDisposableStack();

  constructor(kube: KubeConfig) {
    this.kube = kube;
    this.core = kube.makeApiClient(CoreV1Api);
    this.leases = kube.makeApiClient(CoordinationV1Api);
  }

  async open(): Promise<void> {
    const { core, namespace, stack } = this;
    await core.createNamespace({ body: { metadata: { name: namespace } } });
    stack.defer(async () => {
      await core.deleteNamespace({ name: namespace });
    });
    for (const name of ["nodemesh-agent", "other"]) {
      await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
      await this.pod(name, { serviceAccountName: name, nodeName: this.node });
    }
  }

  /** Makes a pod that never runs. */
  pod(name: string, over: Partial<V1PodSpec>): Promise<V1Pod> {
    const spec = { containers: [{ name: "none", image: "none" }], ...over };
    const body = { metadata: { name }, spec };
    return this.core.createNamespacedPod({ namespace: this.namespace, body });
  }

  /** A token as a kubelet gets it for its pod; without a pod it is bound to nothing. */
  async token(account: string, audience: string, pod?: string): Promise<string> {
    const bound = { apiVersion: "v1", kind: "Pod", name: pod ?? "" };
    const spec = {
      audiences: [audience],
      expirationSeconds: 600,
      ...(pod === undefined ? {} : { boundObjectRef: bound }),
    };
    const ask = { namespace: this.namespace, name: account, body: { spec } };
    const { status } = await this.core.createNamespacedServiceAccountToken(ask);
    return status?.token ?? "";
  }

  /** The certificates that agents trust. */
  async roots(): Promise<string> {
    const ask = { namespace: this.namespace, name: "nodemesh-root" };
    return (await this.core.readNamespacedConfigMap(ask)).data?.["ca.crt"] ?? "";
  }

  /** `looked` is called whenever it has told, as the leader, all that was to be told. */
  replica(
    identity: string,
    pipeline: Pick<Pipeline, "world" | "conditions"> = QUIET,
    looked: () => void = () => {},
  ): Promise<Replica> {
    return startReplica({
      kube: this.kube,
      settings: {
        kubeconfig: undefined,
        namespace: this.namespace,
        identity,
        serviceName: "nodemesh-control",
      },
      pipeline,
      // Statuses come after the Events.
      statuses: () => {
        looked();
        return [];
      },
      workloads: () => new Map(),
      reports: { some: () => new Promise(() => {}), conditions: () => [] },
      epoch: identity,
      log: () => {},
      onRefusal: () => {},
      signal: AbortSignal.timeout(20_000),
    });
  }
}

/** Waits until it holds, looking every 50 ms; fails after a time, saying what was waited for. */
async function until(what: string, ms: number, holds: () => unknown): Promise<number> {
  const from = performance.now();
  while (!(await holds())) {
    assert.ok(performance.now() - from < ms, `waited ${ms} ms in vain for ${what}`);
    await sleep(50);
  }
  return performance.now() - from;
}

/** Serves agents on a port of this machine. */
async function serve(
  replica: Replica,
  stack: AsyncDisposableStack,
): Promise<{ port: number; agents: AgentRegistry }> {
  const publisher = new Publisher("e1");
  publisher.publish({ workloads: new Map(), services: new Map() });
  const agents = new AgentRegistry(() => new Date());
  const { server, admit, onRefused } = replica;
  const publishing = new PublishServer({ publisher, agents, server, admit, onRefused });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  stack.defer(() => publishing.close());
  // A TCP server's address is never a text.
  return { port: (server.address() as AddressInfo).port, agents };
}

/** How an agent with this token and CA fares: its first lasting status. */
async function fate(
  lab: Lab,
  { port, token, node = lab.node }: { port: number; token: string; node?: string },
): Promise<StreamStatus> {
  const directory = await mkdtemp(join(tmpdir(), "nodemesh-replica-"));
  const [caFile, tokenFile] = [join(directory, "ca.crt"), join(directory, "token")];
  await writeFile(caFile, await lab.roots());
  await writeFile(tokenFile, token);
  const serverName = `nodemesh-control.${lab.namespace}.svc`;
  const stop = new AbortController();
  let last: StreamStatus = { kind: "connecting" };
  await followControl({
    connect: () => connectTls({ host: "127.0.0.1", port, caFile, tokenFile, serverName }),
    node,
    store: new SnapshotStore(Date.now),
    enforce: () => Promise.resolve(),
    signal: stop.signal,
    random: Math.random,
    onStatus: (status) => {
      last = status;
      if (status.kind === "synced" || status.kind === "lost") stop.abort();
    },
  });
  await rm(directory, { recursive: true });
  return last;
}

const cluster = new TestCluster();
let lab: Lab;
before(async () => {
  lab = new Lab(cluster.kubeConfig());
  await lab.open();
});
after(() => lab.stack.disposeAsync());

test("replicas that start together sign with one CA, and one of them leads", async () => {
  await using stack = new AsyncDisposableStack();
  const all = await Promise.all(["a", "b", "c"].map((name) => lab.replica(name)));
  for (const replica of all) stack.use(replica);
  const token = await lab.token("nodemesh-agent", "nodemesh-control", "nodemesh-agent");
  for (const replica of all) {
    const { port, agents } = await serve(replica, stack);
    assert.equal((await fate(lab, { port, token })).kind, "synced");
    assert.equal(agents.get(lab.node)?.acked?.version, 1);
  }
  const leaders = (): number => all.filter((one) => one.leadership().leading).length;
  await until("a leader", 5000, () => leaders() === 1);
  const roots = await lab.roots();
  await lab.core.deleteNamespacedConfigMap({ namespace: lab.namespace, name: "nodemesh-root" });
  const first = all.findIndex((one) => one.leadership().leading);
  await all[first]?.[Symbol.asyncDispose]();
  const took = await until("the next leader", 5000, () => leaders() === 1);
  assert.ok(took < 5000, "a released lease need not run out");
  await until("the ConfigMap, repaired by the new leader", 5000, async () =>
    lab.roots().then(
      (now) => now === roots,
      () => false,
    ),
  );
});

test("a token of another audience, account or node, or of no pod, is refused", async () => {
  await using stack = new AsyncDisposableStack();
  const replica = stack.use(await lab.replica("tokens"));
  const { port, agents } = await serve(replica, stack);
  const ours = "nodemesh-control";
  const agent = "nodemesh-agent";
  const api = "https://kubernetes.default.svc.cluster.local";
  const good = await lab.token(agent, ours, agent);
  const cases: readonly (readonly [RegExp, string, string?])[] = [
    [
      /answered 401: the token is for .*kubernetes\.default.*, not for nodemesh-control/,
      await lab.token(agent, api, agent),
    ],
    [
      /answered 403: the token is system:serviceaccount:.*:other's/,
      await lab.token("other", ours, "other"),
    ],
    [/answered 403: the token is bound to no pod/, await lab.token(agent, ours)],
    [/answered 403: the token is for node no-such-node-[0-9a-f]+, not for node-2/, good, "node-2"],
    [/answered 401: the API server does not accept the token/, `${good.slice(0, -4)}AAAA`],
  ];
  for (const [problem, token, node] of cases) {
    const status = await fate(lab, { port, token, node: node ?? lab.node });
    assert.ok(status.kind === "lost");
    assert.match(status.problem, problem);
  }
  assert.deepEqual(agents.list(), []);
  assert.equal((await fate(lab, { port, token: good })).kind, "synced");
});

test("a leader that died is replaced within 15 s", async () => {
  const { namespace } = lab;
  const name = "nodemesh-control";
  await lab.leases.deleteNamespacedLease({ namespace, name });
  // As a leader that renewed a moment ago leaves it, with a clock that is a year ahead.
  const renewTime = new V1MicroTime(Date.now() + 365 * 24 * 3_600_000);
  const spec = { holderIdentity: "dead", leaseDurationSeconds: 10, renewTime };
  await lab.leases.createNamespacedLease({ namespace, body: { metadata: { name }, spec } });
  const from = performance.now();
  await using heir = await lab.replica("heir");
  await until("the heir", 15_000, () => heir.leadership().leading);
  assert.ok(performance.now() - from > 9500, "the lease had to run out first");
});

test("what is wrong with an object shows on it, once, whoever leads", async () => {
  const { namespace } = lab;
  const pod = await lab.pod("unscheduled", { nodeSelector: { nowhere: "true" } });
  const [decoded] = decodeManifest(JSON.parse(JSON.stringify({ ...pod, ...POD })));
  assert.ok(decoded?.kind === "object" && decoded.object.kind === "Pod");
  const condition: Condition = {
    ref: { kind: "Pod", namespace, name: "unscheduled" },
    reason: "host-network",
    field: "spec.hostNetwork",
    problem: "is true",
    nextStep: "remove it",
  };
  const pipeline = {
    world: { ...EMPTY_WORLD, pods: new Map([[`${namespace}/unscheduled`, decoded.object]]) },
    conditions: () => [condition],
  };
  // The selector of `kubectl describe`.
  const fieldSelector = `involvedObject.uid=${pod.metadata?.uid},source=nodemesh-control`;
  const events = async (): Promise<readonly (readonly unknown[])[]> => {
    const { items } = await lab.core.listNamespacedEvent({ namespace, fieldSelector });
    return items.map(({ reason, type, message, count }) => [type, reason, message, count]);
  };
  for (const name of ["first", "second"]) {
    let looks = 0;
    await using replica = await lab.replica(name, pipeline, () => looks++);
    await until("the lead", 5000, () => replica.leadership().leading);
    await until("two looks", 10_000, () => looks >= 2);
  }
  const message = "spec.hostNetwork: is true; remove it";
  assert.deepEqual(await events(), [["Warning", "HostNetwork", message, 1]]);
});
