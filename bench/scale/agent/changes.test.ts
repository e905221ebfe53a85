import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../../harness/process.ts";
import { slice } from "../manifests.ts";
import { Changes, put } from "./changes.ts";

/** More Services than are rewritten in a round, as in the bench. */
const SIZE = { nodes: 1, services: 500, podsPerService: 5 };

test("each rewriting changes what its file says, whichever round it is in", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-changes-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const says = (): readonly string[] =>
    readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
  for (let service = 0; service < SIZE.services; service++)
    put(folder, `scale-slice-${service}.json`, slice(service, SIZE, -1));
  const changes = new Changes(folder, SIZE);
  for (const [round, rewriting] of (["endpoint", "remark", "endpoint"] as const).entries()) {
    const [before, begun] = [says(), changes.written];
    const some = (): boolean => changes.written !== begun;
    await changes.during(1000, rewriting, () => until(() => "rewriting", 5000, some));
    const changed = says().filter((text, at) => text !== before[at]);
    assert.ok(changed.length > 0, `round ${round} changed nothing`);
    assert.equal(changed.length, changes.written - begun, `round ${round}`);
  }
});
