/** What facts become which findings. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ControlPage, MeshPod } from "../mesh-facts.ts";
import { anyFailed, describeFindings, type Finding } from "./finding.ts";
import { postFindings } from "./post.ts";
import { type PostFacts, rollout } from "./post-facts.ts";
import { preFindings } from "./pre.ts";
import type { NodeFacts, PreFacts } from "./pre-facts.ts";

const NOW = new Date("2026-11-24T10:00:00.500Z");
const SERVER = new Date("2026-11-24T10:00:00Z");

const NODE: NodeFacts = {
  name: "n1",
  ready: true,
  os: "linux",
  architecture: "amd64",
  kernel: "6.1.0-13-amd64",
  runtime: "containerd://1.6.20",
  podCIDRs: ["10.244.0.0/24"],
  renewed: new Date("2026-11-24T09:59:55Z"),
};

const PRE: PreFacts = {
  server: "https://api",
  namespace: "nodemesh",
  version: { kind: "ok", body: { gitVersion: "v1.34.4" }, headers: {} },
  serverTime: SERVER,
  ownTime: NOW,
  permissions: [
    { kind: { group: "apps", resource: "daemonsets", namespaced: true }, allowed: true },
  ],
  nodes: [NODE],
  daemonSets: [],
  namespaceLabels: undefined,
};

/** The lines that are no pass, each `verdict subject: detail`; every one must have a next step. */
function wrong(findings: readonly Finding[]): readonly string[] {
  const lines = findings.filter(({ verdict }) => verdict !== "pass");
  for (const { subject, nextStep } of lines) assert.ok(nextStep, `${subject} has no next step`);
  return lines.map(({ verdict, subject, detail }) => `${verdict} ${subject}: ${detail}`);
}

test("a cluster that suits passes every line", () => {
  assert.deepEqual(wrong(preFindings(PRE)), []);
});

const PRE_CASES: readonly [string, Partial<PreFacts>, readonly string[]][] = [
  [
    "an API server that is away ends the check",
    { version: { kind: "away", problem: "connect ECONNREFUSED" } },
    ["fail API server https://api: no answer: connect ECONNREFUSED"],
  ],
  [
    "Kubernetes 1.28 is too old",
    { version: { kind: "ok", body: { gitVersion: "v1.28.9" }, headers: {} } },
    ["fail API server https://api: Kubernetes v1.28.9 is older than 1.29"],
  ],
  [
    "an unreadable version is no pass",
    { version: { kind: "ok", body: "hello", headers: {} } },
    ["fail API server https://api: Kubernetes of an unknown version is older than 1.29"],
  ],
  [
    "a machine a minute ahead is told",
    { ownTime: new Date(NOW.getTime() + 60_000) },
    ["warn clock of this machine: 60 s ahead of the API server's"],
  ],
  [
    "a missing permission is named with its group and namespace",
    {
      permissions: [
        { kind: { group: "apps", resource: "daemonsets", namespaced: true }, allowed: false },
      ],
    },
    ["fail permission to create daemonsets.apps in namespace nodemesh: you may not"],
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
    "Pod Security that would refuse the agent",
    { namespaceLabels: { "pod-security.kubernetes.io/enforce": "baseline" } },
    ["fail namespace/nodemesh: Pod Security enforces baseline: the agent's pods would be refused"],
  ],
];

for (const [name, change, lines] of PRE_CASES)
  test(name, () => assert.deepEqual(wrong(preFindings({ ...PRE, ...change })), lines));

const POD: MeshPod = {
  name: "nodemesh-agent-a",
  node: "n1",
  ready: true,
  phase: "Running",
  terminating: false,
  images: ["nodemesh/agent:0.1.0"],
  restarts: 0,
  metricsPort: 15_020,
  trouble: "",
};

const CONTROL: ControlPage = {
  snapshot: { epoch: "e", version: 7 },
  leader: true,
  agents: [{ node: "n1", connected: true, acked: { epoch: "e", version: 7 }, nacks: [] }],
  conditions: [],
  conditionCount: 0,
  // Quiet, but well.
  resources: [{ resource: "pods", heardMsAgo: 150_000 }],
};

const template = (image: string): unknown => ({ spec: { containers: [{ image }] } });

const POST: PostFacts = {
  namespace: "nodemesh",
  definition: {
    kind: "found",
    object: { status: { conditions: [{ type: "Established", status: "True" }] } },
  },
  root: { kind: "found", object: { data: { "ca.crt": "-----BEGIN CERTIFICATE-----" } } },
  lease: {
    kind: "found",
    object: { spec: { holderIdentity: "c1", renewTime: "2026-11-24T09:59:58Z" } },
  },
  deployment: {
    kind: "found",
    object: {
      spec: { replicas: 1, template: template("nodemesh/control:0.1.0") },
      status: { updatedReplicas: 1, readyReplicas: 1 },
    },
  },
  daemonSet: {
    kind: "found",
    object: {
      spec: { template: template("registry:5000/nodemesh/agent:0.1.0") },
      status: { desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberReady: 1 },
    },
  },
  control: [{ pod: { ...POD, name: "c1" }, page: { kind: "page", value: CONTROL } }],
  agents: [
    {
      pod: POD,
      asked: [NOW, NOW],
      page: {
        kind: "page",
        value: {
          kernel: "6.1.0",
          time: NOW.toISOString(),
          cgroup: "/sys/fs/cgroup",
          btf: true,
          ipv6: true,
          snapshot: { version: 7, ageSeconds: 1 },
          pods: [{ uid: "u", state: "caught", detail: "" }],
        },
      },
    },
  ],
};

function post(change: Partial<PostFacts>): readonly string[] {
  return wrong(postFindings({ ...POST, ...change }, [NODE], SERVER));
}

function controlSays(change: Partial<ControlPage>): Partial<PostFacts> {
  const page = { kind: "page", value: { ...CONTROL, ...change } } as const;
  return { control: [{ pod: { ...POD, name: "c1" }, page }] };
}

test("a healthy mesh passes every line", () => {
  assert.deepEqual(post({}), []);
});

const POST_CASES: readonly [string, Partial<PostFacts>, readonly string[]][] = [
  [
    "nothing installed is one line",
    { deployment: { kind: "absent" }, daemonSet: { kind: "absent" } },
    ["fail namespace/nodemesh: nodemesh is not installed in it"],
  ],
  [
    "no leader's Lease",
    { lease: { kind: "absent" } },
    ["fail lease/nodemesh-control: is not there"],
  ],
  [
    "a leader that went silent",
    {
      lease: {
        kind: "found",
        object: { spec: { holderIdentity: "c1", renewTime: "2026-11-24T09:59:00Z" } },
      },
    },
    ["fail lease/nodemesh-control: c1 did not renew it for 60 s"],
  ],
  ["a node without an agent", { agents: [] }, ["fail node/n1: has no agent"]],
  [
    "an agent without a stream",
    controlSays({ agents: [] }),
    ["fail node/n1: its agent nodemesh-agent-a has no stream to control"],
  ],
  [
    "an agent that is behind",
    controlSays({ snapshot: { epoch: "e", version: 8 } }),
    ["fail node/n1: enforces snapshot 7, the newest is 8"],
  ],
  [
    "an ack of another epoch does not count",
    controlSays({ snapshot: { epoch: "f", version: 7 } }),
    ["fail node/n1: enforces none of this replica's snapshots, the newest is 7"],
  ],
  [
    "a refused snapshot says which field",
    controlSays({
      snapshot: { epoch: "e", version: 8 },
      agents: [
        {
          node: "n1",
          connected: true,
          acked: { epoch: "e", version: 7 },
          nacks: [{ version: 8, field: "workloads[0]", problem: "is odd" }],
        },
      ],
    }),
    ["fail node/n1: refused snapshot 8: workloads[0]: is odd"],
  ],
  [
    "a condition of a user's object is a warning with its own next step",
    controlSays({
      conditionCount: 1,
      conditions: [
        {
          ref: { kind: "Pod", namespace: "default", name: "p" },
          field: "metadata.annotations",
          problem: "is malformed",
          nextStep: "mend it",
        },
      ],
    }),
    ["warn pod/p in namespace default: metadata.annotations: is malformed"],
  ],
  [
    "a control that does not tell its status",
    {
      control: [
        { pod: { ...POD, name: "c1" }, page: { kind: "none", cause: "forbidden", problem: "403" } },
      ],
    },
    [
      "fail pod/c1: does not tell its status: 403",
      "warn node/n1: no replica of control tells whether the agent is connected",
    ],
  ],
  [
    "a replica that can't follow a kind for a moment is worth a warning",
    controlSays({
      resources: [
        { resource: "nodes", heardMsAgo: 1000 },
        { resource: "pods", heardMsAgo: 9000, trouble: "connect ECONNREFUSED" },
      ],
    }),
    ["warn pod/c1: can't follow pods: connect ECONNREFUSED"],
  ],
  [
    "a replica that has not followed kinds for long",
    controlSays({
      resources: [
        { resource: "nodes", heardMsAgo: 180_001, trouble: "connect ETIMEDOUT" },
        { resource: "pods", heardMsAgo: 170_000, trouble: "connect ETIMEDOUT" },
        { resource: "services", trouble: "connect ETIMEDOUT" },
      ],
    }),
    ["fail pod/c1: has not followed nodes, services for over 3 minutes: connect ETIMEDOUT"],
  ],
  [
    "a kind of which nothing was heard though nothing failed",
    controlSays({ resources: [{ resource: "pods", heardMsAgo: 900_000 }] }),
    ["fail pod/c1: has not followed pods for over 3 minutes: the API server says nothing"],
  ],
  [
    "versions that differ",
    {
      daemonSet: {
        kind: "found",
        object: {
          spec: { template: template("nodemesh/agent:0.2.0") },
          status: { desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberReady: 1 },
        },
      },
    },
    ["warn versions: differ: nodemesh/control:0.1.0, nodemesh/agent:0.2.0"],
  ],
];

for (const [name, change, lines] of POST_CASES)
  test(name, () => assert.deepEqual(post(change), lines));

test("what to do about a process that tells nothing depends on why", () => {
  const steps = (["forbidden", "unreachable", "another-version"] as const).map((cause) => {
    const page = { kind: "none", cause, problem: "x" } as const;
    const agents = [{ pod: { ...POD, metricsPort: 9000 }, page, asked: [NOW, NOW] as const }];
    const findings = postFindings({ ...POST, agents }, [NODE], SERVER);
    return findings.find(({ detail }) => detail.includes("tells no facts"))?.nextStep ?? "";
  });
  assert.match(steps[0] ?? "", /permission to get pods\/proxy in namespace nodemesh/);
  assert.match(steps[1] ?? "", /port 9000 of nodemesh-agent-a/);
  assert.match(steps[2] ?? "", /nodemesh upgrade -n nodemesh/);
});

test("a change that the controller has not seen is no finished roll-out", () => {
  const object = {
    metadata: { generation: 3 },
    spec: { replicas: 2 },
    status: { observedGeneration: 2, updatedReplicas: 2, readyReplicas: 2 },
  };
  assert.equal(rollout(object).observed, false);
  assert.match(post({ deployment: { kind: "found", object } })[0] ?? "", /was not seen yet/);
});

test("lines end with the count, and only a failure fails the command", () => {
  const findings = preFindings({ ...PRE, nodes: [{ ...NODE, os: "windows" }] });
  assert.equal(anyFailed(findings), false);
  assert.equal(describeFindings(findings).at(-1), "6 passed, 1 warnings, 0 failed");
});
