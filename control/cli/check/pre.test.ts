import assert from "node:assert/strict";
import { test } from "node:test";
import { NODE, NOW, SERVER, wrong } from "../../../test/support/cli-facts.ts";
import { anyFailed, describeFindings, type Finding } from "./finding.ts";
import { preFindings } from "./pre.ts";
import type { PreFacts } from "./pre-facts.ts";
import type { Grant, Right } from "./rights.ts";

const RIGHT: Right = {
  verb: "create",
  group: "apps",
  resource: "daemonsets",
  subresource: "",
  namespace: "nodemesh",
  name: undefined,
};

const GRANT: Grant = {
  object: "role/nodemesh-control",
  enough: { ...RIGHT, verb: "escalate", group: "rbac.authorization.k8s.io", resource: "roles" },
  given: [RIGHT],
};

const PRE: PreFacts = {
  server: "https://api",
  namespace: "nodemesh",
  version: { kind: "ok", body: { gitVersion: "v1.34.4" }, headers: {} },
  serverTime: SERVER,
  ownTime: NOW,
  permissions: [{ right: RIGHT, allowed: true }],
  grants: [{ grant: GRANT, lacking: [] }],
  leaseProblem: undefined,
  nodes: [NODE],
  daemonSets: [],
  wideObjects: [],
  namespaceLabels: undefined,
};

test("a cluster that suits passes every line", () => {
  assert.deepEqual(wrong(preFindings(PRE)), []);
});

test("what a deleted namespace has left is named, with the way to remove it, unless the mesh is there", () => {
  const wideObjects = ["customresourcedefinition/m", "clusterrole/r"];
  const leftovers = (change: Partial<PreFacts>): Finding | undefined =>
    preFindings({ ...PRE, wideObjects, ...change }).find(({ subject }) => subject === "leftovers");
  const found = leftovers({});
  assert.equal(found?.verdict, "warn");
  assert.match(
    found?.detail ?? "",
    /left customresourcedefinition\/m, clusterrole\/r, and perhaps/,
  );
  const remove = "kubectl delete customresourcedefinition/m clusterrole/r (with it go all Serv";
  assert.ok(found?.nextStep?.includes(remove), found?.nextStep ?? "no step");
  assert.equal(leftovers({ wideObjects: [] }), undefined);
  const agents = { name: "nodemesh-agent", namespace: "nodemesh", images: [] };
  assert.equal(leftovers({ daemonSets: [agents] }), undefined);
  assert.equal(leftovers({ daemonSets: "may not" }), undefined);
});

const PRE_CASES: readonly [string, Partial<PreFacts>, readonly string[]][] = [
  [
    "an API server that is away ends the check",
    { version: { kind: "away", problem: "connect ECONNREFUSED" } },
    ["fail API server https://api: no answer: connect ECONNREFUSED"],
  ],
  [
    "Kubernetes 1.29 is too old",
    { version: { kind: "ok", body: { gitVersion: "v1.29.15" }, headers: {} } },
    ["fail API server https://api: Kubernetes v1.29.15 is older than 1.30"],
  ],
  [
    "Kubernetes 1.30 is new enough",
    { version: { kind: "ok", body: { gitVersion: "v1.30.0" }, headers: {} } },
    [],
  ],
  [
    "an unreadable version is no pass",
    { version: { kind: "ok", body: "hello", headers: {} } },
    ["fail API server https://api: Kubernetes of an unknown version is older than 1.30"],
  ],
  [
    "a machine a minute ahead is told",
    { ownTime: new Date(NOW.getTime() + 60_000) },
    ["warn clock of this machine: 60 s ahead of the API server's"],
  ],
  [
    "a missing permission is named with its verbs, group and namespace",
    {
      permissions: [
        { right: RIGHT, allowed: false },
        { right: { ...RIGHT, verb: "patch", name: "nodemesh-agent" }, allowed: false },
        { right: { ...RIGHT, verb: "get", name: "nodemesh-agent" }, allowed: true },
      ],
    },
    ["fail permission to create, patch daemonsets.apps in namespace nodemesh: you may not"],
  ],
  [
    "a question that failed is no permission",
    { permissions: [{ right: RIGHT, allowed: "timeout" }] },
    [
      "fail permission to create daemonsets.apps in namespace nodemesh: could not be asked: timeout",
    ],
  ],
  [
    "rights that the user can't give away",
    { grants: [{ grant: GRANT, lacking: [{ right: RIGHT, allowed: false }] }] },
    [
      "fail permission to make role/nodemesh-control: it gives rights that you don't have: create daemonsets.apps in namespace nodemesh",
    ],
  ],
  [
    "clocks that can't be read are no pass",
    { leaseProblem: "leases is forbidden", nodes: [{ ...NODE, renewed: undefined }] },
    ["warn clocks of the nodes: were not looked at: leases is forbidden"],
  ],
  ["no nodes", { nodes: [] }, ["fail nodes: the cluster has none"]],
  [
    "an old kernel and an unknown architecture are two lines",
    { nodes: [{ ...NODE, kernel: "5.9.16", architecture: "s390x" }] },
    [
      "fail node/n1: architecture s390x has no image",
      "fail node/n1: kernel 5.9.16 is older than 5.10",
    ],
  ],
  [
    "a Windows node is only told",
    { nodes: [{ ...NODE, os: "windows" }] },
    ["warn node/n1: runs windows: no agent there"],
  ],
  [
    "a node's clock ahead",
    { nodes: [{ ...NODE, renewed: new Date(SERVER.getTime() + 31_000) }] },
    ["fail clock of node/n1: at least 30 s ahead of the API server's"],
  ],
  [
    "a ready node's old Lease means a clock behind",
    { nodes: [{ ...NODE, renewed: new Date(SERVER.getTime() - 119_000) }] },
    ["fail clock of node/n1: its Lease is 120 s old though the node is ready: its clock is behind"],
  ],
  [
    "an unready node's old Lease says nothing of its clock",
    { nodes: [{ ...NODE, ready: false, renewed: new Date(SERVER.getTime() - 120_000) }] },
    ["warn node/n1: is not ready"],
  ],
  [
    "another mesh is told",
    {
      daemonSets: [
        {
          name: "istio-cni-node",
          namespace: "istio-system",
          images: ["docker.io/istio/install-cni:1.24"],
        },
      ],
    },
    [
      "warn daemonset/istio-cni-node in namespace istio-system: Istio may redirect pods' traffic too",
    ],
  ],
  [
    "a second installation would take what the first one needs",
    { daemonSets: [{ name: "nodemesh-agent", namespace: "mesh", images: [] }] },
    [
      "fail daemonset/nodemesh-agent in namespace mesh: nodemesh is installed there, and a cluster has room for one: nodemesh would take its ClusterRoleBinding away",
    ],
  ],
  [
    "the same installation again is none",
    { daemonSets: [{ name: "nodemesh-agent", namespace: "nodemesh", images: [] }] },
    [],
  ],
  [
    "Pod Security that would refuse the agent",
    { namespaceLabels: { "pod-security.kubernetes.io/enforce": "baseline" } },
    ["fail namespace/nodemesh: Pod Security enforces baseline: the agent's pods would be refused"],
  ],
];

for (const [name, change, lines] of PRE_CASES)
  test(name, () => assert.deepEqual(wrong(preFindings({ ...PRE, ...change })), lines));

test("lines end with the count, and only a failure fails the command", () => {
  const findings = preFindings({ ...PRE, nodes: [{ ...NODE, os: "windows" }] });
  assert.equal(anyFailed(findings), false);
  assert.equal(
    describeFindings(findings, (_, text) => text).at(-1),
    "6 passed, 1 warnings, 0 failed",
  );
});
