/** The Kubernetes source against an API that is cut, slow, forgetful or away: the world must end up right. */

import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { compile } from "../../control/compile/compile.ts";
import { RESOURCES } from "../../control/k8s/resources.ts";
import { KubernetesSource, type KubernetesSourceOptions } from "../../control/k8s/source.ts";
import { applyChanges, type Change, EMPTY_WORLD, type World } from "../../control/world.ts";
import { ApiFront } from "../support/api-front.ts";
import { until } from "../support/until.ts";
import { PlayedApi, type RawObject, refuse } from "./kubernetes-api.ts";
import { manifestWorld } from "./kubernetes-world.ts";

const PODS = "/api/v1/pods";
const MESHES = "/apis/linkerd.io/v1alpha2/servicemeshes";

/** An API, a source that follows it, and the world that comes of it. */
class Lab implements AsyncDisposable {
  readonly api: PlayedApi = new PlayedApi();
  readonly log: string[] = [];
  readonly awaited: Set<string> = new Set();
  readonly changes: Change[] = [];
  world: World = EMPTY_WORLD;
  source: KubernetesSource | undefined;
  readonly #stop = new AbortController();

  async open(
    resources: readonly string[],
    more: Partial<KubernetesSourceOptions> = {},
  ): Promise<void> {
    this.source = await KubernetesSource.open({
      config: this.api.config,
      resources: RESOURCES.filter(({ name }) => resources.includes(name)),
      onChanges: (changes) => {
        this.changes.push(...changes);
        this.world = applyChanges(this.world, changes);
      },
      log: (event, fields) => this.log.push(`${event} ${JSON.stringify(fields)}`),
      await: (name) => {
        this.awaited.add(name);
        return () => this.awaited.delete(name);
      },
      signal: this.#stop.signal,
      pageSize: 2,
      ...more,
    });
  }

  /** Names of the pods known. */
  get pods(): string {
    return Array.from(this.world.pods.values(), ({ metadata }) => metadata.name)
      .sort()
      .join();
  }

  async podsAre(names: string): Promise<void> {
    await until(`pods ${names}, are ${this.pods}`, () => this.pods === names, 10_000);
  }

  stop(): void {
    this.#stop.abort(new Error("stopped"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.source?.[Symbol.asyncDispose]();
    await this.api[Symbol.asyncDispose]();
  }
}

function pod(name: string, annotations: Record<string, string> = {}, ip = "10.1.0.9"): RawObject {
  return {
    metadata: {
      name,
      namespace: "shop",
      uid: `uid-${name}`,
      annotations,
      managedFields: [{ manager: "kubelet" }],
    },
    spec: {
      nodeName: "n1",
      containers: [{ name: "c", env: [{ name: "A", value: "b" }], ports: [{ containerPort: 80 }] }],
    },
    status: { phase: "Running", podIPs: [{ ip }] },
  };
}

/** Begins an answer with some bytes of it and breaks the connection. */
function cut(response: ServerResponse, bytes: string): void {
  if (bytes === "") response.destroy();
  else response.write(bytes, () => response.destroy());
}

function nameOf(change: Change): string {
  if (change.kind === "delete") return `delete ${change.ref.name}`;
  return `${change.kind} ${change.object.metadata.name}`;
}

/** A lab that follows three pods. */
async function podLab(more: Partial<KubernetesSourceOptions> = {}): Promise<Lab> {
  const lab = new Lab();
  await lab.api.listen();
  lab.api.serve(PODS, pod("a"), pod("b"), pod("c"));
  await lab.open(["pods"], more);
  await lab.api.watched(PODS);
  return lab;
}

test("all pages are read, then events; a watch goes on from the last bookmark", async () => {
  await using lab = await podLab();
  const { api } = lab;
  assert.equal(lab.pods, "a,b,c");
  assert.deepEqual(
    api.all("list").map(({ query }) => [query.get("limit"), query.get("continue")]),
    [
      ["2", null],
      ["2", "2"],
    ],
  );
  api.change(PODS, "ADDED", pod("d"));
  api.change(PODS, "DELETED", pod("a"));
  await lab.podsAre("b,c,d");
  const version = api.bookmark(PODS);
  api.end(PODS, "orderly");
  await until("a second watch", () => api.all("watch").length === 2, 10_000);
  const [, second] = api.all("watch");
  assert.equal(second?.query.get("resourceVersion"), version);
  assert.equal(second?.query.get("allowWatchBookmarks"), "true");
  const seconds = Number(second?.query.get("timeoutSeconds"));
  assert.ok(seconds >= 300 && seconds <= 600, `timeoutSeconds=${seconds}`);
  assert.equal(api.all("list").length, 2, "nothing was listed again");
});

test("only what is read is kept, and a change of anything else is none", async () => {
  await using lab = await podLab();
  const [kept] = lab.world.pods.values();
  assert.ok(kept !== undefined);
  assert.ok(!("managedFields" in kept.metadata));
  assert.deepEqual(kept.spec.containers[0]?.env, []);
  assert.deepEqual(
    kept.spec.containers[0]?.ports.map((port) => port.containerPort),
    [80],
  );
  const before = lab.changes.length;
  lab.api.change(PODS, "MODIFIED", pod("a", { "kubectl.kubernetes.io/last-applied": "{}" }));
  lab.api.change(PODS, "MODIFIED", pod("b", { "mesh/enabled": "true" }));
  await until("the change of b", () => lab.changes.length > before, 10_000);
  assert.deepEqual(
    lab.changes.slice(before).map((c) => c.kind === "apply" && c.object.metadata.name),
    ["b"],
  );
});

test("410 in the middle of a list begins the list anew", async () => {
  await using lab = new Lab();
  const { api } = lab;
  await api.listen();
  api.serve(PODS, pod("a"), pod("b"), pod("c"));
  // The first page as usual, the second forgotten.
  api.trick("list", (response) => {
    const items = [pod("a"), pod("gone")];
    const metadata = { resourceVersion: "1", continue: "2" };
    response.end(JSON.stringify({ metadata, items }));
  });
  api.trick("list", (response) => refuse(response, 410, "the continue parameter is too old"));
  await lab.open(["pods"]);
  assert.equal(lab.pods, "a,b,c");
  assert.deepEqual(
    api.all("list").map(({ query }) => query.get("continue")),
    [null, "2", null, "2"],
  );
});

for (const [where, words] of [
  ["in the middle of its first page", { page: 1, bytes: 40 }],
  ["in the middle of a later page", { page: 2, bytes: 40 }],
  ["between two pages", { page: 2, bytes: 0 }],
] as const)
  test(`a list whose connection breaks ${where} is begun anew, and none of it counts`, async () => {
    await using lab = await podLab();
    const { api } = lab;
    api.store(PODS, "DELETED", pod("b"));
    api.store(PODS, "ADDED", pod("e"));
    api.trick("watch", (response) => refuse(response, 410, "too old resource version"));
    // What only the broken list says: b is there still, c and e are not.
    const metadata = { resourceVersion: "1", continue: "2" };
    const said = JSON.stringify({ metadata, items: [pod("broken"), pod("b")] });
    for (let page = 1; page < words.page; page++) api.trick("list", (answer) => answer.end(said));
    const [before, lists] = [lab.changes.length, api.all("list").length];
    api.trick("list", (response) => cut(response, said.slice(0, words.bytes)));
    api.end(PODS, "cut");
    await lab.podsAre("a,c,e");
    const asked = api.all("list").map(({ query }) => query.get("continue"));
    const broken = [null, "2"].slice(0, words.page);
    assert.deepEqual(asked.slice(lists), [...broken, null, "2"]);
    assert.deepEqual(lab.changes.slice(before).map(nameOf).sort(), ["apply e", "delete b"]);
    assert.match(lab.log.join("\n"), /cannot-follow .*pods/);
    assert.match(lab.log.at(-1) ?? "", /^follows /);
  });

for (const how of ["an HTTP status", "an ERROR event"] as const) {
  test(`410 as ${how} of a watch: listed again, and what vanished meanwhile goes`, async () => {
    await using lab = await podLab();
    const { api } = lab;
    api.store(PODS, "DELETED", pod("b"));
    api.store(PODS, "ADDED", pod("e"));
    if (how === "an HTTP status") {
      api.trick("watch", (response) => refuse(response, 410, "too old resource version"));
      api.end(PODS, "cut");
    } else {
      api.tell(PODS, { type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } });
    }
    await lab.podsAre("a,c,e");
    const deleted = lab.changes.filter(({ kind }) => kind === "delete");
    assert.deepEqual(deleted, [
      { kind: "delete", ref: { kind: "Pod", namespace: "shop", name: "b" } },
    ]);
  });
}

test("a server that answers every watch with 410 is not asked in circles", async () => {
  await using lab = await podLab();
  const { api } = lab;
  for (let i = 0; i < 4; i++)
    api.trick("watch", (response) => refuse(response, 410, "too old resource version"));
  api.end(PODS, "cut");
  await until("a watch that stands", () => api.all("watch").length >= 6, 10_000);
  const [, first, , , fourth] = api.all("watch");
  const passed = (fourth?.at ?? 0) - (first?.at ?? 0);
  // Back-off of at least half of 250, 500 and 1000 ms.
  assert.ok(passed >= 600, `four refused watches within ${passed} ms`);
});

test("a watch cut inside an event goes on where it was, and the event comes again", async () => {
  await using lab = await podLab();
  const { api } = lab;
  const lists = api.all("list").length;
  const stored = api.store(PODS, "ADDED", pod("d"));
  const line = JSON.stringify({ type: "ADDED", object: stored });
  api.end(PODS, "cut", line.slice(0, line.length / 2));
  await lab.podsAre("a,b,c,d");
  assert.equal(api.all("list").length, lists, "nothing was listed again");
  assert.ok(!lab.changes.some(({ kind }) => kind === "delete"));
});

test("an event that is no JSON is not skipped: everything is listed again", async () => {
  await using lab = await podLab();
  const { api } = lab;
  api.store(PODS, "DELETED", pod("a"));
  api.trick("watch", (response) => {
    response.writeHead(200);
    response.write("{ broken\n");
  });
  api.end(PODS, "orderly");
  await lab.podsAre("b,c");
});

test("429 with Retry-After is obeyed", async () => {
  await using lab = await podLab();
  const { api } = lab;
  let refusedAt = 0;
  api.trick("watch", (response) => {
    refusedAt = performance.now();
    refuse(response, 429, "too many requests", { "retry-after": "2" });
  });
  api.end(PODS, "cut");
  await until("the watch after the refused one", () => api.all("watch").length === 3, 10_000);
  const waited = (api.all("watch")[2]?.at ?? 0) - refusedAt;
  assert.ok(waited >= 1990, `came again after ${waited} ms`);
  assert.equal(lab.pods, "a,b,c");
});

test("a peer that holds the connection but says nothing is left, and nothing is lost", async () => {
  await using lab = await podLab({ silenceMs: 1000 });
  const { api } = lab;
  // The watch stands, and stays mute.
  api.store(PODS, "ADDED", pod("d"));
  await lab.podsAre("a,b,c,d");
  assert.ok(api.all("watch").length >= 2);
});

test("a connection that dies silently is left for a new one, and nothing is lost", async () => {
  await using lab = new Lab();
  const { api } = lab;
  await api.listen();
  api.serve(PODS, pod("a"), pod("b"), pod("c"));
  await using front = await ApiFront.open(api.config);
  const silenceMs = 2000;
  await lab.open(["pods"], { config: front.config, silenceMs });
  await api.watched(PODS);
  front.swallow();
  const from = performance.now();
  api.change(PODS, "ADDED", pod("d"));
  await lab.podsAre("a,b,c,d");
  const passed = performance.now() - from;
  assert.ok(passed < 2 * silenceMs, `followed again after ${passed} ms`);
  assert.equal(api.all("list").length, 2, "nothing was listed again");
});

test("an API that is away at the start is awaited, and readiness says for what", async () => {
  await using lab = new Lab();
  const { api } = lab;
  await api.listen();
  api.serve(PODS, pod("a"));
  await api.away();
  const opened = lab.open(["pods"]);
  await until("a word in the log", () => lab.log.length > 0, 10_000);
  assert.match(lab.log[0] ?? "", /cannot-follow .*pods.*ECONNREFUSED/);
  assert.deepEqual([...lab.awaited], ["pods listed"]);
  await api.listen();
  await opened;
  assert.equal(lab.pods, "a");
  assert.deepEqual([...lab.awaited], []);
});

test("an open that is given up ends, with the signal's reason", async () => {
  await using lab = new Lab();
  await lab.api.listen();
  await lab.api.away();
  const opened = lab.open(["pods"]);
  await until("a word in the log", () => lab.log.length > 0, 10_000);
  lab.stop();
  await assert.rejects(opened, /stopped/);
});

test("with the API away the world stays, and comes up to date afterwards", async () => {
  await using lab = await podLab();
  const { api } = lab;
  await api.away();
  await until(
    "the trouble",
    () => lab.log.some((line) => line.startsWith("cannot-follow")),
    10_000,
  );
  assert.equal(lab.pods, "a,b,c");
  assert.match(lab.source?.states()[0]?.trouble ?? "", /./);
  api.store(PODS, "ADDED", pod("d"));
  await api.listen();
  await lab.podsAre("a,b,c,d");
  assert.ok(!lab.changes.some(({ kind }) => kind === "delete"));
  assert.equal(lab.source?.states()[0]?.trouble, undefined);
});

test("an object that can't be decoded keeps its last good form and is told of", async () => {
  await using lab = await podLab();
  const broken = { ...pod("a"), status: { podIPs: "none" } };
  lab.api.change(PODS, "MODIFIED", broken);
  await until("a condition", () => lab.source?.conditions().length === 1, 10_000);
  const [condition] = lab.source?.conditions() ?? [];
  assert.equal(condition?.reason, "invalid-object");
  assert.equal(condition?.field, "status.podIPs");
  assert.deepEqual(lab.world.pods.get("shop/a")?.status.podIPs, [{ ip: "10.1.0.9" }]);
  lab.api.change(PODS, "DELETED", broken);
  await lab.podsAre("b,c");
  assert.deepEqual(lab.source?.conditions(), []);
});

test("a list that is due is made when the watch ends, though nothing went wrong", async () => {
  await using lab = await podLab({ resyncMs: 1 });
  const { api } = lab;
  // A deletion that no watch will ever tell.
  api.store(PODS, "DELETED", pod("c"));
  api.bookmark(PODS);
  api.end(PODS, "orderly");
  await lab.podsAre("a,b");
});

test("a kind that is not defined is empty, and found once it is defined", async () => {
  await using lab = new Lab();
  const { api } = lab;
  await api.listen();
  api.serve(PODS, pod("a"));
  await lab.open(["pods", "servicemeshes"]);
  assert.equal(lab.world.serviceMeshes.size, 0);
  api.serve(MESHES, { metadata: { name: "mesh", namespace: "shop" }, spec: { tracers: ["http"] } });
  await until("the ServiceMesh", () => lab.world.serviceMeshes.size === 1, 10_000);
});

test("where metadata is enough, metadata is asked for", async () => {
  await using lab = new Lab();
  const { api } = lab;
  await api.listen();
  for (const { path } of RESOURCES) api.serve(path);
  await lab.open(RESOURCES.map(({ name }) => name));
  const partial = new Set(
    api.asked.filter(({ accept }) => accept.includes("Partial")).map(({ path }) => path),
  );
  assert.deepEqual([...partial].sort(), [
    "/api/v1/namespaces",
    "/api/v1/nodes",
    "/api/v1/serviceaccounts",
  ]);
});

test("manifests and the API give equal worlds and equal snapshots", async () => {
  await using lab = new Lab();
  const { api } = lab;
  await api.listen();
  const objects = shop();
  for (const resource of RESOURCES)
    api.serve(resource.path, ...objects.filter(({ kind }) => kind === resource.kind));
  await lab.open(RESOURCES.map(({ name }) => name));

  const manifests = await manifestWorld(objects);
  assert.equal(lab.world.pods.size, 2);
  assert.deepEqual(lab.world, manifests);
  const [left, right] = [compile(lab.world), compile(manifests)];
  assert.deepEqual(left.workloads, right.workloads);
  assert.deepEqual(left.services, right.services);
  assert.deepEqual(left.conditions, right.conditions);
  assert.equal(left.workloads.get("uid-web-1")?.enrolment?.fail, "closed");
});

function shop(): readonly RawObject[] {
  const namespace = "shop";
  const v1 = { apiVersion: "v1" };
  return [
    {
      ...v1,
      kind: "Namespace",
      metadata: { name: namespace, annotations: { "mesh/fail": "closed" } },
    },
    { ...v1, kind: "Node", metadata: { name: "n1" }, status: { addresses: [] } },
    { ...v1, kind: "ServiceAccount", metadata: { name: "default", namespace } },
    { ...v1, kind: "Pod", ...labelled(pod("web-1", {}, "10.1.0.1")) },
    { ...v1, kind: "Pod", ...pod("other", { "mesh/enabled": "yes" }, "10.1.0.2") },
    {
      ...v1,
      kind: "Service",
      metadata: { name: "web", namespace, uid: "uid-svc" },
      spec: { clusterIP: "10.96.0.7", selector: { app: "web" }, ports: [{ port: 80 }] },
    },
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { name: "web-x", namespace, labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      endpoints: [
        { addresses: ["10.1.0.1"], targetRef: { kind: "Pod", name: "web-1", uid: "uid-web-1" } },
      ],
      ports: [{ port: 80 }],
    },
    {
      apiVersion: "linkerd.io/v1alpha2",
      kind: "ServiceMesh",
      metadata: { name: "mesh", namespace, generation: 1 },
      spec: {
        tracers: ["http"],
        intercept: { http: [{ name: "web", service: { name: "web", namespace } }] },
      },
    },
  ];
}

function labelled(object: RawObject): RawObject {
  return { ...object, metadata: { ...object.metadata, labels: { app: "web" } } };
}
