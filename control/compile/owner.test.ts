import assert from "node:assert/strict";
import { test } from "node:test";
import { compile } from "./compile.ts";
import { endpoint, type Loose, pod, service, slice, worldOf } from "./testing.ts";

function ownerOf(owner: Loose | undefined, labels: Loose = {}): string | undefined {
  const ownerReferences = owner === undefined ? [] : [owner];
  const one = pod("p-1", "10.1.0.2", { meta: { ownerReferences, labels } });
  return compile(worldOf(one)).workloads.get("uid-p-1")?.owner;
}

test("a pod counts as who is rolled out or run again", () => {
  const controller = true;
  const hash = { "pod-template-hash": "5d4f" };
  const cases: readonly (readonly [Loose | undefined, Loose, string])[] = [
    [undefined, {}, "p-1"],
    [{ kind: "ReplicaSet", name: "user-5d4f", controller }, hash, "user"],
    [{ kind: "ReplicaSet", name: "user-5d4f", controller }, {}, "user-5d4f"],
    [{ kind: "ReplicaSet", name: "user-other", controller }, hash, "user-other"],
    [{ kind: "StatefulSet", name: "db", controller }, {}, "db"],
    [{ kind: "DaemonSet", name: "logs", controller }, {}, "logs"],
    [{ kind: "Job", name: "backup-29412345", controller }, {}, "backup"],
    [{ kind: "Job", name: "nightly-report-29412345", controller }, {}, "nightly-report"],
    [{ kind: "Job", name: "migrate", controller }, {}, "migrate"],
    [{ kind: "Job", name: "migrate-2", controller }, {}, "migrate-2"],
    [{ kind: "Job", name: "-29412345", controller }, {}, "-29412345"],
    [{ kind: "Rollout", name: "canary", controller }, {}, "canary"],
    [{ kind: "Job", name: "not-its-controller" }, {}, "p-1"],
  ];
  for (const [owner, labels, expected] of cases)
    assert.equal(ownerOf(owner, labels), expected, JSON.stringify(owner));
});

test("a pod's port names the Service that leads to it, headless or not, unless several do", () => {
  const ports = [{ name: "web", port: 80, targetPort: 8080 }];
  const there = [{ name: "web", port: 8080 }];
  const leading = (name: string, clusterIP: string) => [
    service(name, { clusterIP, ports }),
    slice(name, there, [endpoint("10.1.0.2", "a")]),
  ];
  const portsOf = (...objects: readonly Loose[]) =>
    compile(worldOf(pod("a", "10.1.0.2"), ...objects)).workloads.get("uid-a")?.ports;
  const port = { port: 8080, protocol: "detect" };
  assert.deepEqual(portsOf(), []);
  assert.deepEqual(portsOf(...leading("db", "None")), [{ ...port, service: "db" }]);
  assert.deepEqual(portsOf(...leading("web", "10.96.0.1")), [{ ...port, service: "web" }]);
  assert.deepEqual(portsOf(...leading("db", "None"), ...leading("web", "10.96.0.1")), [port]);
});
