import assert from "node:assert/strict";
import { test } from "node:test";
import { installObjects } from "../../../deploy/manifests/objects.ts";
import { parseOptions } from "../../../deploy/manifests/options.ts";
import { apiOf } from "../../../test/support/api-answers.ts";
import { gatherPreFacts } from "./pre-facts.ts";
import { applyRights, grants, type Right, thingOf } from "./rights.ts";

const OBJECTS = installObjects(parseOptions({ namespace: "mesh" }));

function words(right: Right): string {
  return `${right.verb} ${thingOf(right)}`;
}

test("every object is asked for with the three verbs of kubectl apply", () => {
  const asked = applyRights(OBJECTS).map(words);
  assert.equal(asked.length, OBJECTS.length * 3);
  for (const right of [
    "get namespaces mesh",
    "create customresourcedefinitions.apiextensions.k8s.io",
    "patch daemonsets.apps nodemesh-agent in namespace mesh",
    "create roles.rbac.authorization.k8s.io in namespace mesh",
  ])
    assert.ok(asked.includes(right), right);
});

test("roles and bindings ask for their rights, or for escalate and bind", () => {
  const found = grants(OBJECTS);
  assert.deepEqual(
    found.map(({ object, enough }) => `${object}: ${words(enough)}`),
    [
      "clusterrole/nodemesh-control: escalate clusterroles.rbac.authorization.k8s.io nodemesh-control",
      "clusterrolebinding/nodemesh-control: bind clusterroles.rbac.authorization.k8s.io nodemesh-control",
      "role/nodemesh-control: escalate roles.rbac.authorization.k8s.io nodemesh-control in namespace mesh",
      "rolebinding/nodemesh-control: bind roles.rbac.authorization.k8s.io nodemesh-control in namespace mesh",
      "clusterrole/nodemesh-view: escalate clusterroles.rbac.authorization.k8s.io nodemesh-view",
      "clusterrole/nodemesh-edit: escalate clusterroles.rbac.authorization.k8s.io nodemesh-edit",
    ],
  );
  const [wide = [], , own = []] = found.map(({ given }) => given.map(words));
  assert.ok(wide.includes("update servicemeshes.linkerd.io/status"));
  assert.ok(own.includes("get secrets nodemesh-ca in namespace mesh"));
  assert.ok(own.includes("create secrets in namespace mesh"));
});

test("who may neither escalate nor do it is told what is lacking; who may do it is not", async () => {
  const api = apiOf({
    "/version": { body: { gitVersion: "v1.34.0" } },
    "/api/v1/nodes": { body: { items: [] } },
  });
  const lacking = async (allowed: (right: Right) => boolean): Promise<readonly string[]> => {
    const post = (_: string, body: unknown): ReturnType<typeof api.post> => {
      const { spec } = body as { spec: { resourceAttributes: Right } };
      const status = { allowed: allowed(spec.resourceAttributes) };
      return Promise.resolve({ kind: "ok", headers: {}, body: { status } });
    };
    const facts = await gatherPreFacts({ ...api, post }, "mesh", () => new Date());
    assert.match(facts.leaseProblem ?? "", /leases/);
    return facts.grants.flatMap((one) => one.lacking.map(({ right }) => words(right)));
  };
  const special = ["escalate", "bind"];
  assert.deepEqual(await lacking(({ verb }) => special.includes(verb)), []);
  assert.deepEqual(await lacking(({ verb }) => !special.includes(verb)), []);
  const without = await lacking(
    ({ verb, resource }) => !special.includes(verb) && resource !== "pods",
  );
  assert.deepEqual([...new Set(without)], ["list pods", "watch pods"]);
});
