/** The world that manifests of given objects make, shrunk to what the Kubernetes source keeps: for comparison. */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeItem } from "../../control/k8s/lean.ts";
import { RESOURCES } from "../../control/k8s/resources.ts";
import { ManifestSource } from "../../control/manifests/source.ts";
import { applyChanges, type Change, EMPTY_WORLD, type World } from "../../control/world.ts";

/** Reads the objects through the manifests' source, from a file. */
export async function manifestWorld(objects: readonly object[]): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), "kubernetes-world-"));
  let world = EMPTY_WORLD;
  try {
    const list = { apiVersion: "v1", kind: "List", items: objects };
    await writeFile(join(directory, "all.json"), JSON.stringify(list));
    await using _source = await ManifestSource.open({
      paths: [directory],
      onChanges: (changes) => {
        world = applyChanges(world, changes.flatMap(lean));
      },
    });
  } finally {
    await rm(directory, { recursive: true });
  }
  return world;
}

function lean(change: Change): readonly Change[] {
  if (change.kind === "delete") return [change];
  const resource = RESOURCES.find(({ kind }) => kind === change.object.kind);
  if (resource === undefined) return [];
  return decodeItem(change.object, resource).map((verdict): Change => {
    assert.ok(verdict.kind === "object", JSON.stringify(verdict));
    return { kind: "apply", object: verdict.object };
  });
}
