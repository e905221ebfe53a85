import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type GroupedFile, type GroupResult, runFiles } from "./group-run.ts";
import { TEST_GROUPS } from "./test-groups.ts";

const COMMON = { timeoutMs: 60_000, ownMachine: false, onDemand: false, holds: () => true };

/** Files of two groups: each notes when it begins and ends, and its test waits until `meets` others have begun. */
async function run(
  meets: readonly number[],
  concurrency: number,
  signal?: AbortSignal,
): Promise<{ readonly results: readonly GroupResult[]; readonly began: readonly boolean[] }> {
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-group-"));
  try {
    const groups = ["one", "two"].map((name) => ({ ...COMMON, name, concurrency: 2 }));
    const files = meets.map((count, index): GroupedFile => {
      const file = join(folder, `${index}.test.mjs`);
      writeFileSync(file, meeting(join(folder, "began"), index, count));
      const group = groups[index % 2];
      assert.ok(group !== undefined);
      return { file, group };
    });
    const options = { concurrency, scratch: join(folder, "scratch"), say: () => undefined, signal };
    const results = await runFiles(files, options);
    return { results, began: meets.map((_, index) => existsSync(join(folder, `began-${index}`))) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function meeting(mark: string, index: number, count: number): string {
  return `
    import { existsSync, writeFileSync } from "node:fs";
    import { test } from "node:test";
    import { setTimeout } from "node:timers/promises";
    writeFileSync("${mark}-${index}", "");
    test("meets", async () => {
      while (![...Array(${count}).keys()].every((one) => existsSync("${mark}-" + one))) await setTimeout(10);
    });`;
}

test("files of all groups run at the same time, as many as may", async () => {
  // Each of the first four ends only when all four have begun.
  const { results } = await run([4, 4, 4, 4, 0], 4);
  assert.deepEqual(
    results.map(({ name, files, passed, failures }) => ({ name, files, passed, failures })),
    [
      { name: "one", files: 3, passed: 3, failures: [] },
      { name: "two", files: 2, passed: 2, failures: [] },
    ],
  );
});

test("an aborted run begins no further file, and all of them have failed", async () => {
  const { results, began } = await run([9, 9, 9], 1, AbortSignal.timeout(1_500));
  assert.deepEqual(began.slice(1), [false, false]);
  const failures = results.flatMap((result) => result.failures);
  assert.equal(failures.length, 3);
  assert.match(failures.join("\n"), /aborted[\s\S]*was not begun[\s\S]*was not begun/);
});

test("every group but that of clusters has room beside others, and a machine for each file", () => {
  for (const { name, ownMachine, onDemand } of TEST_GROUPS)
    assert.equal(ownMachine, !onDemand, name);
});
