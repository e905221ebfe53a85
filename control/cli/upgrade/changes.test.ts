import assert from "node:assert/strict";
import { test } from "node:test";
import { installObjects } from "../../../deploy/manifests/objects.ts";
import { parseOptions } from "../../../deploy/manifests/options.ts";
import { changeLines, changesOf } from "./changes.ts";
import { mergeChosen } from "./command.ts";

function fields(wanted: unknown, live: unknown): readonly string[] {
  const change = changesOf("x", wanted, live);
  return change.kind === "changed"
    ? change.fields.map(
        ({ path, from, to }) => `${path} ${JSON.stringify(from)} ${JSON.stringify(to)}`,
      )
    : [change.kind];
}

function entry(manager: string, operation: string, fieldsV1: object, subresource?: string): object {
  return {
    manager,
    operation,
    fieldsType: "FieldsV1",
    fieldsV1,
    ...(subresource && { subresource }),
  };
}

test("what the API server fills in is no change", () => {
  const live = { spec: { replicas: 2, paused: false, selector: {} }, status: { ready: 1 } };
  assert.deepEqual(fields({ spec: { replicas: 2 } }, live), ["unchanged"]);
  assert.deepEqual(fields({ spec: { labels: {} } }, live), ["unchanged"]);
  assert.deepEqual(fields({ spec: { limit: undefined } }, live), ["unchanged"]);
});

test("fields are named with their path, things of a list by their name", () => {
  const live = { c: [{ name: "agent", image: "a:1", args: ["x"], more: 1 }, { name: "old" }] };
  const wanted = { c: [{ name: "agent", image: "a:2", args: ["x", "y"] }] };
  assert.deepEqual(fields(wanted, live), [
    'c[agent].image "a:1" "a:2"',
    'c[agent].args ["x"] ["x","y"]',
  ]);
});

test("what was applied and is not wanted any more goes; what others added stays", () => {
  const applied = {
    metadata: { labels: { a: "1", old: "1" }, annotations: {}, creationTimestamp: null },
    spec: {
      c: [{ name: "agent", image: "a", env: [{ name: "X", value: "1" }] }, { name: "old" }],
      grace: 5,
      gone: 1,
    },
  };
  const last = JSON.stringify(applied);
  const live = {
    metadata: {
      labels: { a: "1", old: "1", theirs: "1" },
      annotations: { "kubectl.kubernetes.io/last-applied-configuration": last, theirs: "1" },
      creationTimestamp: "2026-11-01T00:00:00Z",
    },
    spec: {
      c: [
        { name: "agent", image: "a", env: [{ name: "X", value: "1" }, { name: "THEIRS" }] },
        { name: "old" },
        { name: "injected" },
      ],
      grace: 9,
    },
  };
  const wanted = {
    metadata: { labels: { a: "1" } },
    spec: { c: [{ name: "agent", image: "a", env: [{ name: "Y", value: "2" }] }] },
  };
  assert.deepEqual(fields(wanted, live), [
    'spec.c[agent].env[Y] undefined {"name":"Y","value":"2"}',
    'metadata.labels.old "1" undefined',
    'spec.c[agent].env[X] {"name":"X","value":"1"} undefined',
    'spec.c[old] {"name":"old"} undefined',
    "spec.grace 9 undefined",
  ]);
});

test("applied on the server's side, the fields that kubectl manages are what was applied", () => {
  const agent = {
    ".": {},
    "f:image": {},
    "f:env": { 'k:{"name":"X"}': { ".": {}, "f:name": {}, "f:value": {} } },
    "f:name": {},
  };
  const managedFields = [
    entry("kube-controller-manager", "Update", { "f:spec": { "f:theirs": {} } }, "status"),
    entry("kubectl-rollout", "Update", { "f:spec": { "f:restarted": {} } }),
    entry("kubectl", "Apply", {
      "f:metadata": { "f:labels": { "f:old": {} }, "f:finalizers": { 'v:"f"': {} } },
      "f:spec": { "f:gone": {}, "f:grace": {}, "f:c": { 'k:{"name":"agent"}': agent } },
    }),
  ];
  const env = [{ name: "X", value: "1" }, { name: "THEIRS" }];
  const live = {
    metadata: { managedFields, labels: { old: "1", theirs: "1" }, finalizers: ["f"] },
    spec: {
      theirs: 1,
      restarted: 1,
      grace: 5,
      c: [{ name: "agent", image: "a", env }, { name: "injected" }],
    },
  };
  const wanted = { metadata: { labels: {} }, spec: { c: [{ name: "agent", image: "a" }] } };
  assert.deepEqual(fields(wanted, live), [
    'metadata.labels.old "1" undefined',
    'metadata.finalizers ["f"] undefined',
    "spec.grace 5 undefined",
    `spec.c[agent].env ${JSON.stringify(env)} undefined`,
  ]);
  assert.deepEqual(fields(wanted, { ...live, metadata: { labels: { old: "1" } } }), ["unchanged"]);
});

test("an annotation that somebody has broken says nothing of what goes", () => {
  const annotations = { "kubectl.kubernetes.io/last-applied-configuration": "{" };
  assert.deepEqual(fields({}, { metadata: { annotations } }), ["unchanged"]);
});

test("the same quantity in other words is no change", () => {
  assert.deepEqual(fields({ cpu: "1000m", memory: "1Gi" }, { cpu: "1", memory: "1024Mi" }), [
    "unchanged",
  ]);
  assert.deepEqual(fields({ cpu: "200m" }, { cpu: "100m" }), ['cpu "100m" "200m"']);
});

test("an installation compared with itself changes nothing; with another tag, what has the tag", () => {
  const installed = installObjects(parseOptions({}));
  const compare = (options: object): readonly string[] =>
    changeLines(
      installObjects(parseOptions(options)).map((object, index) =>
        changesOf(`${object.kind}/${object.metadata.name}`, object, installed[index]),
      ),
    );
  assert.deepEqual(compare({}), [`0 new, 0 changed, ${installed.length} unchanged, 0 removed`]);
  const lines = compare({ image: { tag: "9.9.9" } });
  assert.ok(
    lines.includes(
      'DaemonSet/nodemesh-agent: spec.template.spec.containers[agent].image: "nodemesh/agent:0.1.0" -> "nodemesh/agent:9.9.9"',
    ),
    lines.join("\n"),
  );
});

test("what is not there yet is new", () => {
  assert.deepEqual(changeLines([changesOf("Role/x", {}, undefined)]), [
    "Role/x: new",
    "1 new, 0 changed, 0 unchanged, 0 removed",
  ]);
});

test("an object that is wanted no more is named with the command that deletes it", () => {
  const command = "kubectl -n nodemesh delete service old";
  assert.deepEqual(changeLines([{ kind: "removed", object: "service/old", command }]), [
    `service/old: removed, but stays until you say: ${command}`,
    "0 new, 0 changed, 0 unchanged, 1 removed",
  ]);
});

test("an upgrade keeps what was chosen, unless it is chosen anew", () => {
  const kept = ["agent.workers=2", "image.tag=0.1.0"];
  assert.deepEqual(mergeChosen(kept, ["agent.workers=4"]), ["image.tag=0.1.0", "agent.workers=4"]);
  assert.deepEqual(mergeChosen(kept, []), kept);
});
