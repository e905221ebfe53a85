/** What `nodemesh status` reads, and what it makes of a user who may not read all of it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answers, apiOf } from "../../../test/support/api-answers.ts";
import { gather } from "./gather.ts";
import { type StatusQuestion, statusProblem, statusReport } from "./report.ts";

const TEAM = "/api/v1/namespaces/team";
const DISCOVERY = "/apis/discovery.k8s.io/v1";
const MESHES = "/apis/linkerd.io/v1alpha2";

const QUESTION: StatusQuestion = {
  namespace: "team",
  meshNamespace: "nodemesh",
  selector: undefined,
  names: [],
};

const FORBIDDEN = { kind: "refused", status: 403, problem: "you may not" } as const;

function list(...items: readonly object[]): { body: unknown } {
  return { body: { items } };
}

const POD = {
  metadata: { name: "web", namespace: "team", uid: "uid-web", labels: { app: "web" } },
  spec: { nodeName: "n1", containers: [{ name: "c" }] },
  status: { phase: "Running", podIPs: [{ ip: "10.0.0.1" }], conditions: [] },
};

/** Everything outside of namespace team is forbidden to one who has the role view in it. */
const VIEWER: Answers = {
  "/api/v1/namespaces": FORBIDDEN,
  "/api/v1/nodes": FORBIDDEN,
  "/api/v1/pods": FORBIDDEN,
  "/api/v1/services": FORBIDDEN,
  "/api/v1/namespaces/nodemesh/pods": FORBIDDEN,
  [`${DISCOVERY}/endpointslices`]: FORBIDDEN,
  [`${MESHES}/servicemeshes`]: FORBIDDEN,
  [TEAM]: {
    body: { metadata: { name: "team", uid: "t", annotations: { "mesh/enabled": "true" } } },
  },
  [`${TEAM}/pods`]: list(POD),
  [`${TEAM}/services`]: list(),
  [`${DISCOVERY}/namespaces/team/endpointslices`]: list(),
  [`${MESHES}/namespaces/team/servicemeshes`]: list(),
};

async function told(answers: Answers): Promise<readonly string[]> {
  const facts = await gather(apiOf(answers), QUESTION);
  assert.equal(statusProblem(facts, QUESTION), undefined);
  const { pods, unseen } = statusReport(facts, QUESTION);
  return [
    ...pods.map(({ name, enrolled, path, why }) => `${name} ${enrolled} ${path}: ${why}`),
    ...unseen.map(({ what }) => what),
  ];
}

test("who may look at one namespace is told of its pods, and what could not be seen", async () => {
  assert.deepEqual(await told(VIEWER), [
    "web true unknown: you may not ask its node's agent",
    "other namespaces",
    "pods of namespace nodemesh",
  ]);
});

test("a namespace's own annotations and ServiceMeshes may be hidden too", async () => {
  const hidden = {
    [TEAM]: FORBIDDEN,
    [`${MESHES}/namespaces/team/servicemeshes`]: FORBIDDEN,
  };
  const [pod, ...unseen] = await told({ ...VIEWER, ...hidden });
  assert.match(pod ?? "", /^web false direct: nobody asked/);
  assert.deepEqual(unseen, [
    "other namespaces",
    "namespace/team",
    "servicemeshes of namespace team",
    "pods of namespace nodemesh",
  ]);
});

test("pods that may not be listed leave nothing to tell, whatever else may be", async () => {
  await assert.rejects(
    told({ ...VIEWER, [`${TEAM}/pods`]: FORBIDDEN }),
    /list pods in namespace team: you may not; ask for that permission/,
  );
  const question = { ...QUESTION, namespace: undefined };
  await assert.rejects(gather(apiOf(VIEWER), question), /^Error: list \w+: you may not/);
});

test("the namespace that is forbidden and the one that is not there are told apart", async () => {
  const absent = { kind: "refused", status: 404, problem: "not found" } as const;
  const facts = await gather(apiOf({ ...VIEWER, [TEAM]: absent }), QUESTION);
  assert.match(statusProblem(facts, QUESTION) ?? "", /^there is no namespace team/);
});

test("the API server reads a selector, in the namespace that was asked for", async () => {
  const asked: string[] = [];
  const question = { ...QUESTION, selector: "app in (web)" };
  const facts = await gather(apiOf(VIEWER, asked), question);
  assert.deepEqual(facts.selected, new Set(["uid-web"]));
  assert.ok(asked.includes(`${TEAM}/pods?labelSelector=app%20in%20(web)`), asked.join("\n"));
  const api = apiOf(VIEWER);
  const problem = "unable to parse requirement";
  const get = (path: string): ReturnType<typeof api.get> =>
    path.startsWith(`${TEAM}/pods?`)
      ? Promise.resolve({ kind: "refused", status: 400, problem })
      : api.get(path);
  await assert.rejects(gather({ ...api, get }, question), /--selector app in \(web\): .*unable to/);
});
