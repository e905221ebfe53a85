import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { NODE, NOW, POD, SERVER, wrong } from "../../../test/support/cli-facts.ts";
import { ROOT } from "../../../test/support/source-files.ts";
import { makeAuthority } from "../../tls/authority.ts";
import type { ControlPage } from "../mesh-facts.ts";
import { describeFindings } from "./finding.ts";
import { isComingUp, postFindings, type Surroundings } from "./post.ts";
import { type PostFacts, rollout } from "./post-facts.ts";

const CONTROL: ControlPage = {
  snapshot: { epoch: "e", version: 7 },
  leader: true,
  agents: [{ node: "n1", connected: true, acked: { epoch: "e", version: 7 }, nacks: [] }],
  conditions: [],
  conditionCount: 0,
  // Quiet, but well.
  resources: [{ resource: "pods", heardMsAgo: 150_000 }],
};

function rootOf(text: string): PostFacts["root"] {
  return { kind: "found", object: { data: { "ca.crt": text } } };
}

const template = (image: string): unknown => ({ spec: { containers: [{ image }] } });

const POST: PostFacts = {
  namespace: "nodemesh",
  ownVersion: "0.1.0",
  definition: {
    kind: "found",
    object: { status: { conditions: [{ type: "Established", status: "True" }] } },
  },
  root: rootOf(makeAuthority(SERVER.getTime()).certificate),
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

const AROUND: Surroundings = { nodes: [NODE], serverTime: SERVER, daemonSets: [] };

function post(change: Partial<PostFacts>): readonly string[] {
  return wrong(postFindings({ ...POST, ...change }, AROUND));
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
    "a control whose image can't be had",
    {
      control: [
        {
          pod: { ...POD, name: "c1", ready: false, trouble: "ImagePullBackOff: Back-off" },
          page: { kind: "none", cause: "unreachable", problem: "503" },
        },
      ],
    },
    [
      "fail pod/c1: is not ready: ImagePullBackOff: Back-off",
      "warn node/n1: no replica of control tells whether the agent is connected: it goes on with snapshot 7, which control last confirmed 1 s ago",
    ],
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
      "warn node/n1: no replica of control tells whether the agent is connected: it goes on with snapshot 7, which control last confirmed 1 s ago",
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
    "a root that is no certificate",
    { root: rootOf("-----BEGIN CERTIFICATE-----") },
    ["fail configmap/nodemesh-root: data[ca.crt] is no certificate"],
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
    [
      "warn versions: differ: 0.1.0 (deployment/nodemesh-control, pod/c1, pod/nodemesh-agent-a and 1 more), 0.2.0 (daemonset/nodemesh-agent)",
    ],
  ],
];

/** An installation of which everything has this tag, and pods with another one. */
function tagged(tag: string, running: string = tag): Partial<PostFacts> {
  const [agent] = POST.agents;
  assert.ok(agent !== undefined);
  const [control] = POST.control;
  assert.ok(control !== undefined);
  const image = (name: string, of: string): string => `nodemesh/${name}:${of}`;
  const set = (found: PostFacts["deployment"], name: string): PostFacts["deployment"] => ({
    kind: "found",
    object: {
      ...(found.kind === "found" && Object(found.object)),
      spec: { replicas: 1, template: template(image(name, tag)) },
    },
  });
  return {
    deployment: set(POST.deployment, "control"),
    daemonSet: set(POST.daemonSet, "agent"),
    control: [{ ...control, pod: { ...control.pod, images: [image("control", tag)] } }],
    agents: [{ ...agent, pod: { ...POD, images: [image("agent", running)] } }],
  };
}

test("versions are compared of what was asked for, of what runs and of this command", () => {
  assert.deepEqual(post(tagged("0.1.0", "0.0.9")), [
    "warn versions: differ: 0.1.0 (deployment/nodemesh-control, daemonset/nodemesh-agent, pod/c1 and 1 more), 0.0.9 (pod/nodemesh-agent-a)",
  ]);
  assert.match(
    post(tagged("0.2.0"))[0] ?? "",
    /^warn versions: differ: 0\.2\.0 .*, 0\.1\.0 \(this command\)$/,
  );
  assert.deepEqual(post(tagged("our-build")), []);
});

for (const [name, change, lines] of POST_CASES)
  test(name, () => assert.deepEqual(post(change), lines));

test("what to do about a process that tells nothing depends on why", () => {
  const steps = (["forbidden", "unreachable", "another-version"] as const).map((cause) => {
    const page = { kind: "none", cause, problem: "x" } as const;
    const agents = [{ pod: { ...POD, metricsPort: 9000 }, page, asked: [NOW, NOW] as const }];
    const findings = postFindings({ ...POST, agents }, AROUND);
    return findings.find(({ detail }) => detail.includes("tells no facts"))?.nextStep ?? "";
  });
  assert.match(steps[0] ?? "", /permission to get pods\/proxy in namespace nodemesh/);
  assert.match(steps[1] ?? "", /port 9000 of nodemesh-agent-a/);
  assert.match(steps[2] ?? "", /nodemesh upgrade -n nodemesh/);
});

const DAY_MS = 24 * 3_600_000;
const CA_LIFE_MS = 3650 * DAY_MS;

test("the CA's age is told, and in time that it ends", () => {
  const madeAgo = (ms: number): string => makeAuthority(SERVER.getTime() - ms).certificate;
  const told = (...roots: readonly string[]): string => {
    const findings = postFindings({ ...POST, root: rootOf(roots.join("")) }, AROUND);
    const found = findings.find(({ subject }) => subject === "configmap/nodemesh-root");
    return `${found?.verdict} ${found?.detail}`;
  };
  const fresh = madeAgo(0);
  const young = "the mesh's CA is valid from 2026-11-24 to 2036-11-21";
  assert.equal(told(fresh), `pass ${young}`);
  const old = madeAgo(CA_LIFE_MS - 89 * DAY_MS);
  assert.match(told(old), /^warn .* to 2027-02-21$/);
  assert.match(told(madeAgo(CA_LIFE_MS)), /^fail .* to 2026-11-24$/);
  assert.equal(told(fresh, old), `pass ${young}; agents are told of 1 more`);
});

test("the page about control being away shows the lines of check, word by word", () => {
  const trouble = "ImagePullBackOff: Back-off pulling image nodemesh/control:0.2.0";
  const silent = { kind: "none", cause: "unreachable", problem: "503" } as const;
  const pods = ["7d4f-a", "7d4f-b"].map((name) => ({
    ...{ ...POD, name: `nodemesh-control-${name}`, ready: false, trouble },
  }));
  const [agent] = POST.agents;
  assert.ok(agent?.page.kind === "page");
  const snapshot = { version: 7, ageSeconds: 181 };
  const findings = postFindings(
    {
      ...POST,
      deployment: {
        kind: "found",
        object: {
          spec: { replicas: 2, template: template("nodemesh/control:0.1.0") },
          status: { updatedReplicas: 2, readyReplicas: 0 },
        },
      },
      lease: {
        kind: "found",
        object: { spec: { holderIdentity: "7d4f-a", renewTime: "2026-11-24T09:57:00Z" } },
      },
      control: pods.map((pod) => ({ pod, page: silent })),
      agents: [{ ...agent, page: { kind: "page", value: { ...agent.page.value, snapshot } } }],
    },
    AROUND,
  );
  const page = readFileSync(join(ROOT, "docs/control-away.md"), "utf8");
  const wrongs = findings.filter(({ verdict }) => verdict !== "pass");
  assert.equal(wrongs.length, 5);
  for (const line of describeFindings(wrongs, (_, text) => text).slice(0, -2))
    assert.ok(page.includes(`${line}\n`), line);
});

/** The next steps of what is no pass. */
function steps(change: Partial<PostFacts>, around: Partial<Surroundings> = {}): readonly string[] {
  const findings = postFindings(
    { ...POST, namespace: "mesh", ...change },
    { ...AROUND, ...around },
  );
  return findings.flatMap(({ nextStep }) => nextStep ?? []);
}

test("next steps name the namespace, and keep the options where something is installed", () => {
  const nothing = { deployment: { kind: "absent" }, daemonSet: { kind: "absent" } } as const;
  assert.deepEqual(steps(nothing), [
    "nodemesh install --namespace mesh | kubectl apply -f -; or name another --namespace",
  ]);
  const mend = "nodemesh upgrade -n mesh | kubectl apply -f -";
  assert.deepEqual(steps({ definition: { kind: "absent" } }), [mend]);
  assert.deepEqual(steps({ daemonSet: { kind: "absent" } }), [mend]);
  const daemonSets = [{ name: "nodemesh-agent", namespace: "other", images: [] }];
  assert.deepEqual(steps(nothing, { daemonSets }), [
    "it is in namespace other: nodemesh check -n other",
  ]);
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

test("the mesh is coming up while anything of it is younger than the time to wait, or has changed within", () => {
  const comingUp = (facts: Partial<PostFacts>, nodes: Surroundings["nodes"] = [NODE]): boolean =>
    isComingUp({ ...POST, ...facts }, { nodes, serverTime: SERVER }, 60_000);
  const made = (creationTimestamp: string): PostFacts["daemonSet"] => ({
    kind: "found",
    object: { metadata: { creationTimestamp } },
  });
  const [young, old] = ["2026-11-24T09:59:01Z", "2026-11-24T09:59:00Z"];
  const pod = { ...POD, created: young };
  const page = { kind: "none", cause: "unreachable", problem: "" } as const;
  assert.deepEqual(
    [
      comingUp({}),
      comingUp({ daemonSet: made(young) }),
      comingUp({ daemonSet: made(old), deployment: made(old) }),
      comingUp({ control: [{ pod, page }] }),
      comingUp({ control: [{ pod: { ...POD, turned: young }, page }] }),
      comingUp({}, [{ ...NODE, turned: young }]),
      comingUp({}, [{ ...NODE, turned: old }]),
      comingUp({}, "may not"),
      comingUp({ agents: [{ pod, page, asked: [NOW, NOW] }] }),
      comingUp({ deployment: { kind: "absent" }, daemonSet: { kind: "absent" } }),
    ],
    [false, true, false, true, true, true, false, false, true, false],
  );
  const unknownClock = { ...POST, daemonSet: made(young) };
  assert.equal(isComingUp(unknownClock, { nodes: [], serverTime: undefined }, 60_000), false);
});
