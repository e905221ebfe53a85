import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeItem } from "../k8s/lean.ts";
import { RESOURCES } from "../k8s/resources.ts";
import { applyChanges } from "../world.ts";
import { compile } from "./compile.ts";
import { apply, endpoint, type Loose, pod, service, slice, worldOf } from "./testing.ts";

const WEB = service("web", {
  clusterIP: "10.96.0.1",
  selector: { app: "web" },
  ports: [
    { name: "dns", port: 53, targetPort: "dns", protocol: "UDP" },
    { name: "a", port: 80, targetPort: "http" },
    { name: "b", port: 81, targetPort: 8081 },
  ],
});

/** A pod that the Service selects, with one container that has these named ports. */
function web(
  name: string,
  ip: string,
  more: { ports?: Loose[]; spec?: Loose; status?: Loose },
): Loose {
  const { ports = [], spec, status = {} } = more;
  return pod(name, ip, {
    meta: { labels: { app: "web" } },
    spec: { containers: [{ name: "c", ports }], ...spec },
    status,
  });
}

function said(...objects: readonly Loose[]): readonly string[] {
  const { conditions } = compile(worldOf(...objects));
  return conditions.map(({ ref, reason, field }) => `${ref.kind}/${ref.name} ${reason} ${field}`);
}

const TOLD = ["Service/web unknown-port spec.ports[1].targetPort"];

test("a Service that leads to a named port which no selected pod has is told", () => {
  const world = worldOf(
    WEB,
    web("w1", "10.1.0.2", { ports: [{ name: "htpp", containerPort: 80 }] }),
  );
  assert.deepEqual(compile(world).conditions, [
    {
      ref: { kind: "Service", namespace: "shop", name: "web" },
      reason: "unknown-port",
      field: "spec.ports[1].targetPort",
      problem: 'no container of the pods it selects has a TCP port named "http"',
      nextStep: "give a container's port that name, or its number here",
    },
  ]);
});

test("one live pod that has the port is enough; finished ones don't count", () => {
  const ports = [{ name: "http", containerPort: 8080 }];
  assert.deepEqual(said(WEB, web("w1", "10.1.0.2", {}), web("w2", "10.1.0.3", { ports })), []);
  const failed = web("w2", "10.1.0.3", { ports, status: { phase: "Failed" } });
  assert.deepEqual(said(WEB, web("w1", "10.1.0.2", {}), failed), TOLD);
});

test("without pods, without a selector and of a UDP port nothing can be said", () => {
  assert.deepEqual(said(WEB), []);
  const handMade = service("web", {
    clusterIP: "10.96.0.1",
    ports: [{ port: 80, targetPort: "http" }],
  });
  assert.deepEqual(said(handMade, web("w1", "10.1.0.2", {})), []);
});

test("a port of the same name for UDP is another one", () => {
  const ports = [{ name: "http", containerPort: 80, protocol: "UDP" }];
  assert.deepEqual(said(WEB, web("w1", "10.1.0.2", { ports })), TOLD);
});

test("where there are endpoints the name is known", () => {
  const made = slice("web", [{ name: "a", port: 8080 }], [endpoint("10.1.0.2", "w1")]);
  assert.deepEqual(said(WEB, web("w1", "10.1.0.2", {}), made), []);
});

test("a named port is told of no more once a pod has it", () => {
  const world = worldOf(WEB, web("w1", "10.1.0.2", {}));
  const first = compile(world);
  assert.equal(first.conditions.length, 1);
  const mended = apply(web("w1", "10.1.0.2", { ports: [{ name: "http", containerPort: 80 }] }));
  assert.deepEqual(compile(applyChanges(world, mended), first).conditions, []);
});

test("a sidecar's ports count, an init container's do not, also of what control keeps of a pod", () => {
  const withInit = (restartPolicy?: string): Loose =>
    web("w1", "10.1.0.2", {
      spec: {
        initContainers: [
          { name: "i", restartPolicy, ports: [{ name: "http", containerPort: 8080 }] },
        ],
      },
    });
  assert.deepEqual(said(WEB, withInit("Always")), []);
  assert.deepEqual(said(WEB, withInit()), TOLD);
  const kept = RESOURCES.filter(({ kind }) => kind === "Pod").flatMap((resource) =>
    decodeItem(withInit("Always"), resource),
  );
  assert.ok(kept[0]?.kind === "object");
  const change = { kind: "apply", object: kept[0].object } as const;
  const { workloads, conditions } = compile(applyChanges(worldOf(WEB), [change]));
  assert.deepEqual(conditions, []);
  assert.deepEqual(workloads.get("uid-w1")?.ports, [{ port: 8080, protocol: "http" }]);
});
