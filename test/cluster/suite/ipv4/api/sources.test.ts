/**
 * The Kubernetes source with a real API server: the same world as manifests of the same objects make, and the
 * product's own ServiceMesh. The suite needs nothing but an API server.
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import {
  ApiException,
  ApiextensionsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  DiscoveryV1Api,
  type KubeConfig,
  type V1CustomResourceDefinition,
} from "@kubernetes/client-node";
import { request } from "undici";
import { compile } from "../../../../../control/compile/compile.ts";
import { meshStatuses } from "../../../../../control/compile/service-meshes.ts";
import { ApiEndpoint } from "../../../../../control/k8s/endpoint.ts";
import { RESOURCES } from "../../../../../control/k8s/resources.ts";
import { KubernetesSource } from "../../../../../control/k8s/source.ts";
import {
  applyChanges,
  type Change,
  EMPTY_WORLD,
  type World,
} from "../../../../../control/world.ts";
import { serviceMeshDefinition } from "../../../../../deploy/manifests/crd.ts";
import { manifestWorld } from "../../../../contract/kubernetes-world.ts";
import { until } from "../../../../support/until.ts";
import { TestCluster } from "../../../harness/cluster.ts";
import { uninstallMesh } from "../../../harness/mesh.ts";

const CRD = "servicemeshes.linkerd.io";

/** The cluster as the suite sees it: one namespace of its own. */
class Lab {
  readonly namespace: string = `source-${randomBytes(4).toString("hex")}`;
  readonly kube: KubeConfig;
  readonly core: CoreV1Api;
  readonly stack: AsyncDisposableStack = new AsyncDisposableStack();
  readonly awaited: Set<string> = new Set();
  world: World = EMPTY_WORLD;
  source: KubernetesSource | undefined;

  constructor(kube: KubeConfig) {
    this.kube = kube;
    this.core = kube.makeApiClient(CoreV1Api);
  }

  async open(): Promise<void> {
    const { core, namespace, stack } = this;
    await core.createNamespace({ body: { metadata: { name: namespace } } });
    stack.defer(async () => {
      await core.deleteNamespace({ name: namespace });
    });
    await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: "web" } } });
    await this.#objects();
    const open = await KubernetesSource.open({
      config: this.kube,
      onChanges: (changes) => {
        this.world = applyChanges(
          this.world,
          changes.filter((change) => this.#isOurs(change)),
        );
      },
      log: () => {},
      await: (name) => {
        this.awaited.add(name);
        return () => this.awaited.delete(name);
      },
      signal: AbortSignal.timeout(120_000),
    });
    this.source = stack.use(open);
  }

  /** Two pods that never run but have addresses, a Service, and its endpoints as a controller would write them. */
  async #objects(): Promise<void> {
    const { core, namespace } = this;
    for (const [i, name] of ["web-1", "web-2"].entries()) {
      const spec = {
        serviceAccountName: "web",
        containers: [{ name: "c", image: "none", ports: [{ containerPort: 8080 }] }],
        nodeSelector: { nowhere: "true" },
      };
      const metadata = { name, labels: { app: "web" }, annotations: { "kept/not": "x" } };
      await core.createNamespacedPod({ namespace, body: { metadata, spec } });
      const ip = `10.250.0.${i + 1}`;
      await core.patchNamespacedPodStatus({
        namespace,
        name,
        body: [
          { op: "add", path: "/status/podIP", value: ip },
          { op: "add", path: "/status/podIPs", value: [{ ip }] },
          { op: "replace", path: "/status/phase", value: "Running" },
        ],
      });
    }
    const ports = [{ name: "http", port: 80, targetPort: 8080 }];
    const body = {
      metadata: { name: "webapp-service" },
      spec: { selector: { app: "web" }, ports },
    };
    await core.createNamespacedService({ namespace, body });
    const { uid } = (await core.readNamespacedPod({ namespace, name: "web-1" })).metadata ?? {};
    await this.kube.makeApiClient(DiscoveryV1Api).createNamespacedEndpointSlice({
      namespace,
      body: {
        metadata: { name: "mine", labels: { "kubernetes.io/service-name": "webapp-service" } },
        addressType: "IPv4",
        endpoints: [
          {
            addresses: ["10.250.0.1"],
            targetRef: { kind: "Pod", namespace, name: "web-1", ...(uid !== undefined && { uid }) },
          },
        ],
        ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      },
    });
  }

  /** Defines our kind for the time of the suite, unless the cluster has it. */
  async define(): Promise<void> {
    const api = this.kube.makeApiClient(ApiextensionsV1Api);
    // Our own type of manifests says less than client-node's.
    const body = serviceMeshDefinition("0.0.0") as unknown as V1CustomResourceDefinition;
    try {
      await api.createCustomResourceDefinition({ body });
    } catch (cause) {
      if (cause instanceof ApiException && cause.code === 409) return;
      throw cause;
    }
    this.stack.defer(async () => {
      await api.deleteCustomResourceDefinition({ name: CRD });
    });
  }

  /** Makes the documented ServiceMesh, as soon as the API server serves the kind. */
  async mesh(): Promise<void> {
    const { namespace } = this;
    const api = this.kube.makeApiClient(CustomObjectsApi);
    const where = { group: "linkerd.io", version: "v1alpha2", plural: "servicemeshes", namespace };
    const service = { name: "webapp-service", namespace };
    const body = {
      apiVersion: "linkerd.io/v1alpha2",
      kind: "ServiceMesh",
      metadata: { name: "mesh" },
      spec: { tracers: ["http"], intercept: { http: [{ name: "webapp-service", service }] } },
    };
    const served = async (): Promise<boolean> => {
      try {
        await api.createNamespacedCustomObject({ ...where, body });
        return true;
      } catch (cause) {
        if (cause instanceof ApiException && cause.code === 404) return false;
        throw cause;
      }
    };
    await until("ServiceMesh is served", served, 20_000);
  }

  /** What the API says about this namespace's objects, as manifests. */
  async manifests(): Promise<readonly object[]> {
    await using endpoint = new ApiEndpoint(this.kube);
    const { base, dispatcher, headers } = await endpoint.access();
    const objects: object[] = [];
    for (const { path, apiVersion, kind, optional } of RESOURCES) {
      const { statusCode, body } = await request(`${base}${path}`, { dispatcher, headers });
      const text = await body.text();
      if (optional && statusCode === 404) continue;
      assert.equal(statusCode, 200, `${path}: ${text}`);
      const list = JSON.parse(text) as { items?: Item[] | null };
      const mine = (list.items ?? []).filter(
        ({ metadata: { namespace, name } }) => (namespace ?? name) === this.namespace,
      );
      objects.push(...mine.map((item) => ({ ...item, apiVersion, kind })));
    }
    return objects;
  }

  #isOurs(change: Change): boolean {
    const ref = change.kind === "delete" ? change.ref : change.object.metadata;
    return ref.namespace === this.namespace || ref.name === this.namespace;
  }
}

interface Item {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

const cluster = new TestCluster();
let lab: Lab;
before(async () => {
  await uninstallMesh(cluster);
  lab = new Lab(cluster.kubeConfig());
  await lab.open();
});
after(() => lab.stack.disposeAsync());

test("a real API server and manifests of its objects make equal worlds and snapshots", async () => {
  assert.deepEqual([...lab.awaited], []);
  assert.equal(lab.world.pods.size, 2);
  const manifests = await manifestWorld(await lab.manifests());
  assert.deepEqual(lab.world, manifests);
  const [ours, theirs] = [compile(lab.world), compile(manifests)];
  assert.equal(ours.workloads.size, 2);
  assert.deepEqual(ours.workloads, theirs.workloads);
  assert.deepEqual(ours.services, theirs.services);
  assert.deepEqual(ours.conditions, theirs.conditions);
});

test("an annotation is in the world at once, and a deleted pod is out", async () => {
  const { core, namespace } = lab;
  const enrolled = (): number =>
    [...compile(lab.world).workloads.values()].filter((w) => w.enrolment !== undefined).length;
  const body = [{ op: "add", path: "/metadata/annotations/mesh~1enabled", value: "true" }];
  await core.patchNamespacedPod({ namespace, name: "web-1", body });
  await until("web-1 is enrolled", () => enrolled() === 1, 2000);
  await core.deleteNamespacedPod({ namespace, name: "web-1", gracePeriodSeconds: 0 });
  await until("web-1 is gone", () => lab.world.pods.size === 1, 5000);
  assert.equal(enrolled(), 0);
});

test("the documented ServiceMesh is found once its kind is defined, and enrols", async () => {
  await lab.define();
  await lab.mesh();
  await until("the ServiceMesh is known", () => lab.world.serviceMeshes.size === 1, 20_000);
  const { meshed, workloads, conditions } = compile(lab.world);
  assert.deepEqual(conditions, []);
  const [status] = meshStatuses(meshed.meshes, workloads);
  assert.equal(status?.status.observedGeneration, 1);
  assert.deepEqual(
    status?.status.conditions.map(({ type, status: value, reason }) => [type, value, reason]),
    [
      ["Accepted", "True", "Accepted"],
      ["Ready", "True", "AllEnrolled"],
    ],
  );
  assert.deepEqual(lab.source?.conditions(), []);
});
