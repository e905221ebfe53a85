import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Command } from "commander";
import { addDashboards } from "./dashboards.ts";

const scratch = mkdtempSync(join(tmpdir(), "nodemesh-dashboards-"));
after(() => rmSync(scratch, { recursive: true }));

function written(folder: string): readonly string[] {
  const said: string[] = [];
  const program = new Command("nodemesh");
  addDashboards(program, (text) => said.push(text));
  program.parse(["dashboards", folder], { from: "user" });
  return said;
}

test("all dashboards are written to a folder that is made, and again over what is there", () => {
  const folder = join(scratch, "a", "b");
  const said = written(folder);
  const source = new URL("../../deploy/grafana/json/", import.meta.url);
  const names = readdirSync(source);
  assert.ok(names.includes("nodemesh-mesh.json"));
  assert.deepEqual(
    said,
    names.sort().map((name) => join(folder, name)),
  );
  const [first = ""] = said;
  writeFileSync(first, "an older one");
  assert.deepEqual(written(folder), said);
  for (const name of names)
    assert.equal(
      readFileSync(join(folder, name), "utf8"),
      readFileSync(new URL(name, source), "utf8"),
    );
});

test("a folder that can't be one is refused by its name", () => {
  const file = join(scratch, "file");
  writeFileSync(file, "");
  assert.throws(
    () => written(file),
    /cannot write dashboards to .*file .*; name a folder of yours/,
  );
});
