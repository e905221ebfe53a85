/** The Kubernetes source follows what an API says, waits for one that is away, and gives the world that manifests give. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { compile } from "../../control/compile/compile.ts";
import { RESOURCES } from "../../control/k8s/resources.ts";
import { until } from "../support/until.ts";
import type { RawObject } from "./kubernetes-api.ts";
import { Lab, PODS, pod, podLab } from "./kubernetes-lab.ts";
import { manifestWorld } from "./kubernetes-world.ts";

const MESHES = "/apis/linkerd.io/v1alpha2/servicemeshes";

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
  const [, meshes] = lab.source?.states() ?? [];
  assert.match(meshes?.trouble ?? "", /does not know this kind/);
  assert.ok(meshes?.heardMsAgo !== undefined, "an answer was heard");
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
