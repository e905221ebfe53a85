import assert from "node:assert/strict";
import { test } from "node:test";
import { POD } from "../../../test/support/cli-facts.ts";
import { RESOURCES } from "../../k8s/resources.ts";
import type { AgentPage, ControlPage, Page } from "../mesh-facts.ts";
import { factsOf, type Listed } from "./gather.ts";
import {
  type StatusFacts,
  type StatusQuestion,
  statusProblem,
  statusReport,
  steadyPart,
} from "./report.ts";

/** Objects as the API lists them. */
function listed(name: string, ...items: readonly object[]): Listed {
  const resource = RESOURCES.find((one) => one.name === name);
  assert.ok(resource !== undefined, name);
  return { resource, items };
}

/** Addresses that were given out. */
let addresses = 0;

interface PodParts {
  readonly node?: string;
  readonly phase?: string;
  readonly hostNetwork?: boolean;
  readonly ready?: "True" | "False";
  readonly annotations?: Readonly<Record<string, string>>;
}

function pod(
  name: string,
  {
    node = "n1",
    phase = "Running",
    hostNetwork = false,
    ready = "True",
    annotations = {},
  }: PodParts,
): object {
  const address = `10.0.0.${++addresses}`;
  return {
    metadata: { name, namespace: "default", uid: `uid-${name}`, resourceVersion: "1", annotations },
    spec: { nodeName: node, hostNetwork, containers: [{ name: "c" }] },
    status: { phase, podIPs: [{ ip: address }], conditions: [{ type: "Ready", status: ready }] },
  };
}

const ALL: StatusQuestion = {
  namespace: undefined,
  meshNamespace: "mesh",
  selector: undefined,
  names: [],
};

const ENROLLED = { annotations: { "mesh/enabled": "true" } };

const PAGE: AgentPage = {
  kernel: "6.1.0",
  time: "2026-11-24T10:00:00Z",
  cgroup: "/sys/fs/cgroup",
  btf: true,
  ipv6: true,
  snapshot: { version: 7, ageSeconds: 1 },
  pods: [
    { uid: "uid-caught", state: "caught", detail: "" },
    { uid: "uid-half", state: "caught", detail: "only 10.1.0.2 is meshed" },
    { uid: "uid-stuck", state: "failed", detail: "has no namespace" },
  ],
};

const CONTROL_PAGE: ControlPage = {
  snapshot: { epoch: "e1", version: 7 },
  leader: true,
  agents: [],
  conditions: [],
  conditionCount: 0,
  resources: [],
};

function facts(
  pods: readonly object[],
  page: Page<AgentPage> = { kind: "page", value: PAGE },
): StatusFacts {
  const names = ["default", "other"];
  const namespaces = names.map((name) => ({ metadata: { name, uid: name, resourceVersion: "1" } }));
  return {
    ...factsOf([listed("namespaces", ...namespaces), listed("pods", ...pods)]),
    nodes: ["n1", "n2"],
    control: [],
    agents: [{ pod: POD, page }],
    selected: undefined,
    meshSeen: true,
    unseen: [],
  };
}

/** Name, path and reason of each pod. */
function paths(reported: StatusFacts): readonly string[] {
  const { pods } = statusReport(reported, ALL);
  return pods.map(({ name, path, why }) => `${name} ${path}: ${why}`);
}

test("a pod is ready when the API says so", () => {
  const pods = [pod("caught", ENROLLED), pod("starting", { ready: "False" })];
  const report = statusReport(facts(pods), ALL);
  assert.deepEqual(
    report.pods.map(({ name, ready }) => `${name} ${ready}`),
    ["caught true", "starting false"],
  );
});

test("each pod says which way its traffic goes, and why not through the mesh", () => {
  const pods = [
    pod("caught", ENROLLED),
    pod("half", ENROLLED),
    pod("stuck", ENROLLED),
    pod("unheard", ENROLLED),
    pod("elsewhere", { ...ENROLLED, node: "n2" }),
    pod("plain", {}),
    pod("done", { ...ENROLLED, phase: "Succeeded" }),
    pod("own", { annotations: { "mesh/enabled": "false" } }),
    pod("host", { hostNetwork: true }),
  ];
  assert.deepEqual(paths(facts(pods)), [
    "caught proxy: ",
    "half proxy: only 10.1.0.2 is meshed",
    "stuck direct: has no namespace",
    "unheard direct: its node's agent has not heard of it yet",
    "elsewhere unknown: no agent on its node",
    "plain direct: nobody asked: no mesh/enabled=true on it or its namespace, no ServiceMesh",
    "done direct: has finished",
    "own direct: its own mesh/enabled says false",
    "host direct: is on its node's network",
  ]);
});

test("a node's agent that tells nothing leaves its pods unknown, and says so itself", () => {
  const silent = facts([pod("caught", ENROLLED)], {
    kind: "none",
    cause: "unreachable",
    problem: "503",
  });
  assert.deepEqual(paths(silent), ["caught unknown: its node's agent does not answer"]);
  const { agents } = statusReport(silent, ALL);
  assert.deepEqual(
    agents.map(({ node, ready, version, problem }) => [node, ready, version, problem]),
    [
      ["n1", true, "0.1.0", "503"],
      ["n2", false, undefined, "no agent"],
    ],
  );
});

test("only pods that were asked for are reported and counted: of a namespace, by name, by label", () => {
  const some = facts([pod("caught", ENROLLED), pod("stuck", ENROLLED), pod("plain", {})]);
  const names = (change: Partial<StatusQuestion>, reported = some): string => {
    const { pods, summary } = statusReport(reported, { ...ALL, namespace: "default", ...change });
    return `${pods.map(({ name }) => name).join()} ${summary.enrolled} ${summary.proxied}`;
  };
  assert.equal(names({}), "caught,stuck,plain 2 1");
  assert.equal(names({ namespace: "other" }), " 0 0");
  assert.equal(names({ names: ["stuck"] }), "stuck 1 0");
  assert.equal(names({}, { ...some, selected: new Set(["uid-plain"]) }), "plain 0 0");
});

test("an agent's snapshot is told with the replica that counts it", () => {
  const value = { ...PAGE, snapshot: { epoch: "e2", version: 7, ageSeconds: 1 } };
  const control = ["e1", "e2"].map((epoch) => ({
    pod: { ...POD, name: `of-${epoch}` },
    page: { kind: "page", value: { ...CONTROL_PAGE, snapshot: { epoch, version: 9 } } } as const,
  }));
  const of = (page: Page<AgentPage>) =>
    statusReport({ ...facts([], page), control }, ALL).agents.map((one) => one.snapshotOf);
  assert.deepEqual(of({ kind: "page", value }), ["of-e2", undefined]);
  assert.deepEqual(of({ kind: "page", value: PAGE }), [undefined, undefined]);
});

test("what changes by itself is no change", () => {
  const aged = (ageSeconds: number, version = 7): string => {
    const value = { ...PAGE, snapshot: { version, ageSeconds } };
    return steadyPart(statusReport(facts([], { kind: "page", value }), ALL));
  };
  assert.equal(aged(1), aged(3));
  assert.notEqual(aged(1), aged(1, 8));
});

test("nothing installed, and a namespace or a pod that is not there, are problems with a next step", () => {
  const there = facts([pod("a", {})]);
  const asked = { ...ALL, namespace: "default" };
  assert.equal(statusProblem(there, { ...asked, names: ["a"] }), undefined);
  assert.match(
    statusProblem(there, { ...asked, names: ["a", "b"] }) ?? "",
    /^there is no pod b in namespace default: /,
  );
  assert.equal(statusProblem(there, ALL), undefined);
  assert.match(
    statusProblem(there, { ...asked, namespace: "defualt" }) ?? "",
    /^there is no namespace defualt: name another -n/,
  );
  assert.match(
    statusProblem({ ...there, agents: [] }, asked) ?? "",
    /^no pod of nodemesh is in namespace mesh: .*nodemesh install --namespace mesh \| kubectl apply -f -/,
  );
  assert.equal(statusProblem({ ...there, agents: [], meshSeen: false }, asked), undefined);
});
