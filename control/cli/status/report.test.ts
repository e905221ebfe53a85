import assert from "node:assert/strict";
import { test } from "node:test";
import { POD } from "../../../test/support/cli-facts.ts";
import { RESOURCES } from "../../k8s/resources.ts";
import type { AgentPage, Page } from "../mesh-facts.ts";
import { factsOf, type Listed } from "./command.ts";
import { type StatusFacts, statusProblem, statusReport } from "./report.ts";

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
  };
}

/** Name, path and reason of each pod. */
function paths(reported: StatusFacts): readonly string[] {
  const { pods } = statusReport(reported, undefined);
  return pods.map(({ name, path, why }) => `${name} ${path}: ${why}`);
}

test("a pod is ready when the API says so", () => {
  const pods = [pod("caught", ENROLLED), pod("starting", { ready: "False" })];
  const report = statusReport(facts(pods), undefined);
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
  const { agents } = statusReport(silent, undefined);
  assert.deepEqual(
    agents.map(({ node, ready, version, problem }) => [node, ready, version, problem]),
    [
      ["n1", true, "0.1.0", "503"],
      ["n2", false, undefined, "no agent"],
    ],
  );
});

test("only pods of the namespace that was asked for are reported", () => {
  const some = facts([pod("a", {})]);
  assert.equal(statusReport(some, "default").pods.length, 1);
  assert.equal(statusReport(some, "other").pods.length, 0);
});

test("nothing installed and a namespace that is not there are problems with a next step", () => {
  const there = facts([]);
  const asked = { namespace: "default", meshNamespace: "mesh" };
  assert.equal(statusProblem(there, asked), undefined);
  assert.equal(statusProblem(there, { ...asked, namespace: undefined }), undefined);
  assert.match(
    statusProblem(there, { ...asked, namespace: "defualt" }) ?? "",
    /^there is no namespace defualt: name another -n/,
  );
  assert.match(
    statusProblem({ ...there, agents: [] }, asked) ?? "",
    /^no pod of nodemesh is in namespace mesh: .*nodemesh install --namespace mesh \| kubectl apply -f -/,
  );
});
