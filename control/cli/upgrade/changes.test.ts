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
    'c[old] {"name":"old"} undefined',
  ]);
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
  assert.deepEqual(compare({}), [`0 new, 0 changed, ${installed.length} unchanged`]);
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
    "1 new, 0 changed, 0 unchanged",
  ]);
});

test("an upgrade keeps what was chosen, unless it is chosen anew", () => {
  const kept = ["agent.workers=2", "image.tag=0.1.0"];
  assert.deepEqual(mergeChosen(kept, ["agent.workers=4"]), ["image.tag=0.1.0", "agent.workers=4"]);
  assert.deepEqual(mergeChosen(kept, []), kept);
});
