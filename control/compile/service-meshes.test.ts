import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseManifest } from "../manifests/parse.ts";
import { applyChanges, type Change, EMPTY_WORLD, type World } from "../world.ts";
import { type Compilation, compile, EMPTY_COMPILATION } from "./compile.ts";
import { meshStatuses } from "./service-meshes.ts";

/** The ServiceMesh of the product's own documentation, to the letter. */
const SEED = `
apiVersion: linkerd.io/v1alpha2
kind: ServiceMesh
metadata: { name: mesh }
spec:
  tracers: [http]
  intercept:
    http:
      - name: webapp-service
        service: { name: webapp-service, namespace: default }
`;

const SERVICE = `
---
apiVersion: v1
kind: Service
metadata: { name: webapp-service }
spec: { clusterIP: 10.96.0.1, selector: { app: webapp }, ports: [{ port: 80 }] }
`;

function pod(name: string, ip: string, more: { words?: string; spec?: string } = {}): string {
  return `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, uid: ${name}, labels: { app: webapp }, annotations: { ${more.words ?? ""} } }
spec: { nodeName: n1, containers: [], ${more.spec ?? ""} }
status: { phase: Running, podIPs: [{ ip: ${ip} }] }
`;
}

function worldOf(...texts: readonly string[]): World {
  const { objects, invalid, broken } = parseManifest(texts.join("\n---\n"));
  assert.deepEqual([invalid, broken], [[], []]);
  return applyChanges(
    EMPTY_WORLD,
    objects.map((object) => ({ kind: "apply", object })),
  );
}

function enrolled({ workloads }: Compilation): string {
  const all = [...workloads.values()].filter(({ enrolment }) => enrolment !== undefined);
  return all
    .map(({ name }) => name)
    .sort()
    .join();
}

function statusOf({ meshed, workloads }: Compilation): ReturnType<typeof meshStatuses>[number] {
  const [status] = meshStatuses(meshed.meshes, workloads);
  assert.ok(status !== undefined);
  return status;
}

function said({ conditions }: Compilation): readonly string[] {
  return conditions.map(({ ref, reason, field }) => `${ref.kind}/${ref.name} ${reason} ${field}`);
}

test("the documented ServiceMesh enrols the pods behind its Service, and its status says so", () => {
  const compiled = compile(
    worldOf(SEED, SERVICE, pod("web-1", "10.1.0.1"), pod("web-2", "10.1.0.2"), other()),
  );
  assert.equal(enrolled(compiled), "web-1,web-2");
  assert.deepEqual(compiled.conditions, []);
  assert.deepEqual(statusOf(compiled), {
    namespace: "default",
    name: "mesh",
    status: {
      observedGeneration: 0,
      enrolledPods: 2,
      services: [{ name: "webapp-service", namespace: "default", pods: 2, enrolled: 2 }],
      conditions: [
        {
          type: "Accepted",
          observedGeneration: 0,
          status: "True",
          reason: "Accepted",
          message: "every named Service is there",
        },
        {
          type: "Ready",
          observedGeneration: 0,
          status: "True",
          reason: "AllEnrolled",
          message: "2 of 2 pods behind the named Services are in the mesh",
        },
      ],
    },
  });
});

/** A pod that the Service does not select. */
function other(): string {
  return pod("other", "10.1.0.9").replace("app: webapp", "app: other");
}

test("a pod's own false wins over a ServiceMesh, and that over its namespace's false", () => {
  const compiled = compile(
    worldOf(
      SEED,
      SERVICE,
      `{ apiVersion: v1, kind: Namespace, metadata: { name: default, annotations: { mesh/enabled: "false" } } }`,
      pod("web-1", "10.1.0.1"),
      pod("web-2", "10.1.0.2", { words: 'mesh/enabled: "false"' }),
    ),
  );
  assert.equal(enrolled(compiled), "web-1");
  assert.deepEqual(said(compiled), [
    'Pod/web-2 enrolment-conflict metadata.annotations["mesh/enabled"]',
  ]);
  const [, ready] = statusOf(compiled).status.conditions;
  assert.deepEqual([ready?.status, ready?.reason], ["False", "SomeExcluded"]);
});

test("its tracer has every request of its pods traced, unless a pod says otherwise", () => {
  const traces = (mesh: string): readonly unknown[] => {
    const silent = pod("web-1", "10.1.0.1");
    const said = pod("web-2", "10.1.0.2", { words: 'mesh/trace: "0.1"' });
    const { workloads } = compile(worldOf(mesh, SERVICE, silent, said));
    return [...workloads.values()].map(({ enrolment }) => enrolment?.trace);
  };
  assert.deepEqual(traces(SEED), [1, 0.1]);
  assert.deepEqual(traces(SEED.replace("[http]", "[]")), [undefined, 0.1]);
  assert.deepEqual(traces(SEED.replace("[http]", "[ebpf]")), [undefined, 0.1]);
});

test("a tracer that comes and goes changes the pods", () => {
  const untraced = worldOf(SEED.replace("[http]", "[]"), SERVICE, pod("web-1", "10.1.0.1"));
  const traced = worldOf(SEED, SERVICE, pod("web-1", "10.1.0.1"));
  const share = ({ workloads }: Compilation) => [...workloads.values()][0]?.enrolment?.trace;
  const first = compile(untraced);
  const second = compile({ ...untraced, serviceMeshes: traced.serviceMeshes }, first);
  const third = compile(untraced, second);
  assert.deepEqual([first, second, third].map(share), [undefined, 1, undefined]);
});

test("a pod on its node's network is told, and not enrolled", () => {
  const compiled = compile(
    worldOf(SEED, SERVICE, pod("web-1", "192.0.2.1", { spec: "hostNetwork: true" })),
  );
  assert.equal(enrolled(compiled), "");
  assert.deepEqual(said(compiled), ["Pod/web-1 host-network spec.hostNetwork"]);
  assert.equal(statusOf(compiled).status.conditions[1]?.reason, "NoneEnrolled");
});

test("a Service that is not there, one of another namespace, and an unknown tracer are told", () => {
  const foreign = SEED.replace("name: mesh", "name: foreign, namespace: shop");
  const tracer = SEED.replace("name: mesh", "name: tracer").replace("[http]", "[http, ebpf]");
  const compiled = compile(worldOf(SEED, foreign, tracer, pod("web-1", "10.1.0.1")));
  assert.deepEqual(said(compiled), [
    "ServiceMesh/mesh service-not-found spec.intercept.http[0].service.name",
    "ServiceMesh/tracer service-not-found spec.intercept.http[0].service.name",
    "ServiceMesh/tracer unknown-tracer spec.tracers[1]",
    "ServiceMesh/foreign foreign-service spec.intercept.http[0].service.namespace",
  ]);
  const accepted = meshStatuses(compiled.meshed.meshes, compiled.workloads).map(
    ({ name, status }) => `${name} ${status.conditions[0]?.reason}`,
  );
  assert.deepEqual(accepted.sort(), [
    "foreign ServiceInOtherNamespace",
    "mesh ServiceNotFound",
    "tracer UnknownTracer",
  ]);
});

test("a Service without a port that may be HTTP/1 is told, and its pods are enrolled all the same", () => {
  const ports = (text: string): string =>
    SERVICE.replace("ports: [{ port: 80 }]", `ports: [${text}]`);
  const tcp = compile(
    worldOf(
      SEED,
      ports("{ port: 80, appProtocol: tcp }, { name: tls-api, port: 443 }"),
      pod("web-1", "10.1.0.1"),
    ),
  );
  assert.deepEqual(tcp.conditions, [
    {
      ref: { kind: "ServiceMesh", namespace: "default", name: "mesh" },
      reason: "not-http",
      field: "spec.intercept.http[0].service.name",
      problem:
        "no requests of Service default/webapp-service are recorded, for none of its ports is HTTP/1: 80 is declared tcp, 443 is declared tls",
      nextStep:
        "if one is, set its appProtocol to http or name it http-…; its pods are enrolled anyway",
    },
  ]);
  assert.equal(enrolled(tcp), "web-1");
  assert.deepEqual(
    statusOf(tcp).status.conditions.map(({ reason, status }) => [reason, status]),
    [
      ["Accepted", "True"],
      ["AllEnrolled", "True"],
    ],
  );
  for (const some of ["{ name: tcp-a, port: 1 }, { name: b, port: 2 }", "{ name: http, port: 80 }"])
    assert.deepEqual(said(compile(worldOf(SEED, ports(some)))), []);
});

test("what is wrong with a ServiceMesh is the reason why it is not ready, also where other pods are enrolled", () => {
  const rule = "- { service: { name: gone } }";
  const two = SEED.replace("http:\n", `http:\n      ${rule}\n`);
  for (const [mesh, pods] of [
    [SEED, 0],
    [two, 1],
  ] as const) {
    const service = pods === 0 ? [] : [SERVICE];
    const { status } = statusOf(compile(worldOf(mesh, ...service, pod("web-1", "10.1.0.1"))));
    assert.equal(status.enrolledPods, pods);
    assert.deepEqual(
      status.conditions.map((one) => `${one.type} ${one.status} ${one.reason}`),
      ["Accepted False ServiceNotFound", "Ready False ServiceNotFound"],
    );
    assert.match(status.conditions[1]?.message ?? "", /there is no Service default\//);
  }
});

test("a Service without pods is not ready", () => {
  const compiled = compile(worldOf(SEED, SERVICE));
  const [accepted, ready] = statusOf(compiled).status.conditions;
  assert.equal(accepted?.status, "True");
  assert.deepEqual([ready?.status, ready?.reason], ["False", "NoPods"]);
});

test("a Service without a selector is followed through its EndpointSlices", () => {
  const compiled = compile(
    worldOf(
      SEED,
      SERVICE.replace("selector: { app: webapp }, ", ""),
      pod("web-1", "10.1.0.1"),
      pod("web-2", "10.1.0.2"),
      `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: s, labels: { kubernetes.io/service-name: webapp-service } }
addressType: IPv4
endpoints: [{ addresses: [10.1.0.2], targetRef: { kind: Pod, name: web-2 } }]
`,
    ),
  );
  assert.equal(enrolled(compiled), "web-2");
});

test("with the ServiceMesh gone its pods are out again; the rest keeps its identity", () => {
  const world = worldOf(SEED, SERVICE, pod("web-1", "10.1.0.1"), other());
  const first = compile(world);
  const ref = { kind: "ServiceMesh", namespace: "default", name: "mesh" };
  const second = compile(applyChanges(world, [{ kind: "delete", ref }]), first);
  assert.equal(enrolled(second), "");
  assert.equal(second.workloads.get("other"), first.workloads.get("other"));
  assert.deepEqual(meshStatuses(second.meshed.meshes, second.workloads), []);
});

const anyText: fc.Arbitrary<string> = fc
  .record({
    what: fc.constantFrom("mesh", "other-mesh", "service", "web-1", "web-2"),
    flag: fc.constantFrom("", 'mesh/enabled: "true"', 'mesh/enabled: "false"'),
    label: fc.constantFrom("webapp", "other"),
    target: fc.constantFrom("webapp-service", "absent"),
  })
  .map(({ what, flag, label, target }) => {
    if (what === "service") return SERVICE.replace("app: webapp", `app: ${label}`);
    if (what.startsWith("web-"))
      return pod(what, `10.1.0.${what.at(-1)}`, { words: flag }).replace(
        "app: webapp",
        `app: ${label}`,
      );
    return SEED.replace("name: mesh", `name: ${what}`).replace(
      "{ name: webapp-service,",
      `{ name: ${target},`,
    );
  });

test("meshes compiled step by step give what compiling from scratch gives", () => {
  const step = fc.record({ text: anyText, remove: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
      let world = EMPTY_WORLD;
      let compiled = EMPTY_COMPILATION;
      for (const { text, remove } of steps) {
        const changes = parseManifest(text).objects.map((object): Change => {
          const { kind, metadata } = object;
          return remove
            ? { kind: "delete", ref: { kind, ...metadata } }
            : { kind: "apply", object };
        });
        world = applyChanges(world, changes);
        compiled = compile(world, compiled);
        const whole = compile(world);
        assert.deepEqual(compiled.workloads, whole.workloads);
        assert.deepEqual(compiled.conditions, whole.conditions);
        assert.deepEqual(compiled.meshed, whole.meshed);
      }
    }),
    { numRuns: 100 },
  );
});
