import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { KubeObject } from "../k8s/api/decode.ts";
import { applyChanges, EMPTY_WORLD, type World } from "../world.ts";
import { ManifestIndex } from "./manifest-index.ts";
import { parseManifest } from "./parse.ts";

function namespaceText(name: string, label: string): string {
  return `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: { mesh/x: "${label}" } }\n`;
}

function labels(world: World): Record<string, string> {
  return Object.fromEntries(
    [...world.namespaces].map(([name, { metadata }]) => [name, metadata.labels["mesh/x"] ?? ""]),
  );
}

test("the first file wins, and the next one takes over when it goes", () => {
  const index = new ManifestIndex();
  let world = applyChanges(
    EMPTY_WORLD,
    index.update("b.yaml", parseManifest(namespaceText("n", "b"))),
  );
  world = applyChanges(world, index.update("a.yaml", parseManifest(namespaceText("n", "a"))));
  assert.deepEqual(labels(world), { n: "a" });
  assert.deepEqual(
    index.conditions().map((c) => [c.reason, c.ref.name, c.problem]),
    [["duplicate-object", "n", "b.yaml describes it too, but a.yaml wins"]],
  );
  world = applyChanges(world, index.remove("a.yaml"));
  assert.deepEqual(labels(world), { n: "b" });
  assert.deepEqual(index.conditions(), []);
});

test("an invalid object keeps its last good form and is named", () => {
  const index = new ManifestIndex();
  index.update("a.yaml", parseManifest(namespaceText("n", "1")));
  const broken = `${namespaceText("n", "2").replace('"2"', "2")}---\n${namespaceText("m", "3")}`;
  const changes = index.update("a.yaml", parseManifest(broken));
  assert.deepEqual(
    changes.map((change) => change.kind === "apply" && change.object.metadata.name),
    ["m"],
  );
  const [condition] = index.conditions();
  assert.equal(condition?.field, 'metadata.labels["mesh/x"]');
  assert.equal(condition?.ref.name, "n");
});

test("a half-written file removes nothing; once whole again it does", () => {
  const index = new ManifestIndex();
  const whole = `${namespaceText("n", "1")}---\n${namespaceText("m", "1")}`;
  index.update("a.yaml", parseManifest(whole));
  assert.deepEqual(index.update("a.yaml", parseManifest(whole.slice(0, -10))), []);
  assert.equal(index.conditions()[0]?.reason, "unreadable-file");
  const changes = index.update("a.yaml", parseManifest(namespaceText("n", "1")));
  assert.deepEqual(changes, [
    { kind: "delete", ref: { kind: "Namespace", namespace: "", name: "m" } },
  ]);
  assert.deepEqual(index.conditions(), []);
});

test("re-reading the same content changes nothing", () => {
  const index = new ManifestIndex();
  index.update("a.yaml", parseManifest(namespaceText("n", "1")));
  assert.deepEqual(index.update("a.yaml", parseManifest(namespaceText("n", "1"))), []);
});

test("after any edits the world is that of the files as they are at the end", () => {
  const edit = fc.record({
    file: fc.constantFrom("a", "b", "c"),
    names: fc.option(fc.uniqueArray(fc.constantFrom("n", "m", "o"), { maxLength: 3 })),
    label: fc.constantFrom("1", "2"),
  });
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 12 }), (edits) => {
      const index = new ManifestIndex();
      let world = EMPTY_WORLD;
      const files = new Map<string, readonly KubeObject[]>();
      for (const { file, names, label } of edits) {
        const text = (names ?? []).map((name) => namespaceText(name, label)).join("---\n");
        const parsed = parseManifest(text);
        world = applyChanges(
          world,
          names === null ? index.remove(file) : index.update(file, parsed),
        );
        if (names === null) files.delete(file);
        else files.set(file, parsed.objects);
      }
      assert.deepEqual(labels(world), firstOf(files));
    }),
  );
});

/** The oracle: the first file that names a namespace gives its label. */
function firstOf(files: ReadonlyMap<string, readonly KubeObject[]>): Record<string, string> {
  const backwards = [...files.keys()].sort().reverse();
  const entries = backwards.flatMap((file) =>
    (files.get(file) ?? []).map(
      ({ metadata }) => [metadata.name, metadata.labels["mesh/x"] ?? ""] as const,
    ),
  );
  return Object.fromEntries(entries);
}
