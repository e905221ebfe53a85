import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeManifest, refKey } from "./decode.ts";

const POD = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "user-1",
    namespace: "shop",
    uid: "u1",
    labels: { app: "user" },
    annotations: null,
    ownerReferences: [{ kind: "ReplicaSet", name: "user-5d4f", controller: true, uid: "x" }],
    managedFields: [{ manager: "kubectl" }],
  },
  spec: {
    nodeName: "n1",
    containers: [{ name: "c", image: "i", ports: [{ containerPort: 8080 }], resources: {} }],
  },
  status: { phase: "Running", podIPs: [{ ip: "10.1.0.2" }] },
};

test("a pod is decoded with defaults, and unknown fields are left out", () => {
  assert.deepEqual(JSON.parse(JSON.stringify(decodeManifest(POD))), [
    {
      kind: "object",
      object: {
        kind: "Pod",
        metadata: {
          name: "user-1",
          namespace: "shop",
          uid: "u1",
          labels: { app: "user" },
          annotations: {},
          ownerReferences: [{ kind: "ReplicaSet", name: "user-5d4f", controller: true }],
        },
        spec: {
          nodeName: "n1",
          hostNetwork: false,
          serviceAccountName: "default",
          restartPolicy: "Always",
          terminationGracePeriodSeconds: 30,
          nodeSelector: {},
          initContainers: [],
          containers: [
            {
              name: "c",
              image: "i",
              command: [],
              args: [],
              env: [],
              ports: [{ name: "", containerPort: 8080, protocol: "TCP" }],
            },
          ],
        },
        status: {
          phase: "Running",
          podIPs: [{ ip: "10.1.0.2" }],
          conditions: [],
        },
      },
    },
  ]);
});

test("an error names the object, the field and the problem", () => {
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "s" },
    spec: { ports: [{ port: 80 }, { port: 70000 }] },
  };
  const [verdict] = decodeManifest(service);
  assert.ok(verdict?.kind === "invalid");
  assert.equal(refKey(verdict.ref), "Service/default/s");
  assert.equal(verdict.field, "spec.ports[1].port");
  assert.match(verdict.problem, /65535/);
});

test("an annotation without quotes is told to get some", () => {
  const metadata = { ...POD.metadata, annotations: { "mesh/enabled": true } };
  const [verdict] = decodeManifest({ ...POD, metadata });
  assert.ok(verdict?.kind === "invalid");
  assert.equal(verdict.field, 'metadata.annotations["mesh/enabled"]');
  assert.match(verdict.problem, /quotes/);
});

test("a List gives the verdict of each item", () => {
  const verdicts = decodeManifest({
    apiVersion: "v1",
    kind: "List",
    items: [POD, { apiVersion: "v1", kind: "Secret", metadata: { name: "x" } }, 5],
  });
  assert.deepEqual(
    verdicts.map((verdict) => verdict.kind),
    ["object", "ignored", "invalid"],
  );
});

test("another group's Service is not ours", () => {
  const [verdict] = decodeManifest({
    apiVersion: "serving.knative.dev/v1",
    kind: "Service",
    metadata: { name: "x" },
  });
  assert.equal(verdict?.kind, "ignored");
});

test("every kind we read is decoded from its smallest form", () => {
  const spec = { selector: {}, template: { spec: { containers: [] } } };
  const small = [
    ["v1", "Namespace", {}],
    ["v1", "Node", {}],
    ["v1", "ServiceAccount", {}],
    ["v1", "ConfigMap", {}],
    ["v1", "Pod", { spec: {} }],
    ["v1", "Service", { spec: {} }],
    ["discovery.k8s.io/v1", "EndpointSlice", { addressType: "IPv4" }],
    ["apps/v1", "Deployment", { spec }],
    ["apps/v1", "StatefulSet", { spec }],
    ["apps/v1", "ReplicaSet", { spec }],
    ["apps/v1", "DaemonSet", { spec }],
    ["batch/v1", "Job", { spec }],
  ] as const;
  for (const [apiVersion, kind, rest] of small) {
    const verdicts = decodeManifest({ apiVersion, kind, metadata: { name: "x" }, ...rest });
    assert.deepEqual(
      verdicts.map((verdict) => verdict.kind),
      ["object"],
      kind,
    );
  }
});

test("no value makes decoding throw", () => {
  const kinds = fc.constantFrom(
    "Pod",
    "Service",
    "List",
    "Namespace",
    "EndpointSlice",
    "Deployment",
  );
  fc.assert(
    fc.property(kinds, fc.object(), (kind, rest) => {
      const verdicts = decodeManifest({ ...rest, kind, apiVersion: "v1" });
      assert.ok(verdicts.length <= 1);
    }),
  );
  for (const value of [null, 1, "x", [], undefined]) assert.equal(decodeManifest(value).length, 1);
});
