import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { combined, isKept, partText, readPart, writePart } from "./report.ts";

const CONTROL = {
  head: "3 nodes",
  figures: [
    { name: "memory", unit: "MB", measured: 12, limit: 1000 },
    { name: "start", unit: "ms", measured: 1234.5 },
  ],
};
const AGENT = { head: "1 agent", figures: [{ name: "change", unit: "ms", measured: 7, limit: 5 }] };

test("two parts become one table that says what was missed", () => {
  assert.equal(
    partText(combined({ control: CONTROL, agent: AGENT })),
    `control: 3 nodes

agent: 1 agent

| figure | measured | budget | |
|---|---:|---:|---|
| control: memory | 12 MB | ≤ 1,000 | kept |
| control: start | 1,235 ms |  |  |
| agent: change | 7 ms | ≤ 5 | MISSED |

MISSED: agent: change: 7 ms instead of at most 5 ms`,
  );
});

test("a part survives its file, and what was not measured is no kept budget", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-report-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "part.json");
  const strange = { name: "ratio", unit: "×", measured: Number.NaN, limit: 2 };
  const part = { head: "h", figures: [...CONTROL.figures, strange] };
  writePart(file, part);
  assert.deepEqual(readPart(file), part);
  assert.deepEqual(readPart(file).figures.map(isKept), [true, true, false]);
});
