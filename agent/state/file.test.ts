import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock, test } from "node:test";
import type { Snapshot } from "#model/snapshot.ts";
import { readSnapshotFile, SnapshotFile, writeSnapshotFile } from "./file.ts";

async function scratch(): Promise<AsyncDisposable & { path: string; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), "nodemesh-file-"));
  return {
    directory,
    path: join(directory, "snapshot"),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

function snapshot(version: number): Snapshot {
  const order = {
    namespace: "shop",
    name: "order",
    addresses: ["10.96.0.1"],
    balance: { kind: "random" },
    ports: [],
  } as const;
  return { epoch: "e", version, workloads: new Map(), services: new Map([["shop/order", order]]) };
}

test("a snapshot survives being written and read", async () => {
  await using at = await scratch();
  await writeSnapshotFile(at.path, snapshot(7));
  assert.deepEqual(await readSnapshotFile(at.path), { kind: "snapshot", snapshot: snapshot(7) });
  assert.deepEqual(await readdir(at.directory), ["snapshot"]);
});

test("a missing file is none", async () => {
  await using at = await scratch();
  assert.deepEqual(await readSnapshotFile(at.path), { kind: "none" });
});

test("a half, flipped, foreign or empty file is refused with a message", async () => {
  await using at = await scratch();
  await writeSnapshotFile(at.path, snapshot(7));
  const whole = await readFile(at.path);
  const problems: string[] = [];
  const damages = [
    () => truncate(at.path, whole.length >> 1),
    () => {
      const flipped = Buffer.from(whole);
      flipped[whole.length - 3] = 0;
      return writeFile(at.path, flipped);
    },
    () => writeFile(at.path, "hello\n"),
    () => writeFile(at.path, ""),
  ];
  for (const damage of damages) {
    await damage();
    const read = await readSnapshotFile(at.path);
    problems.push(read.kind === "unusable" ? read.problem.replace(at.path, "F") : read.kind);
  }
  assert.deepEqual(problems, [
    "F is damaged: its checksum does not match",
    "F is damaged: its checksum does not match",
    "F is not a snapshot of this format",
    "F is not a snapshot of this format",
  ]);
});

test("a burst of snapshots is two writes: the first and the last", async () => {
  await using at = await scratch();
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const problems: string[] = [];
    await using file = new SnapshotFile(at.path, (problem) => problems.push(problem));
    for (let version = 1; version <= 50; version++) file.keep(snapshot(version));
    await file.idle();
    const first = await readSnapshotFile(at.path);
    mock.timers.tick(1000);
    await file.idle();
    const last = await readSnapshotFile(at.path);
    assert.deepEqual(
      [first, last].map((read) => read.kind === "snapshot" && read.snapshot.version),
      [1, 50],
    );
    assert.deepEqual(problems, []);
  } finally {
    mock.timers.reset();
  }
});

test("what still waits is written at the end", async () => {
  await using at = await scratch();
  {
    await using file = new SnapshotFile(at.path, assert.fail);
    file.keep(snapshot(1));
    file.keep(snapshot(2));
  }
  const read = await readSnapshotFile(at.path);
  assert.equal(read.kind === "snapshot" && read.snapshot.version, 2);
});

test("a write that fails is reported, and the agent goes on", async () => {
  await using at = await scratch();
  const problems: string[] = [];
  {
    await using file = new SnapshotFile(join(at.directory, "no", "such"), (p) => problems.push(p));
    file.keep(snapshot(1));
  }
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? "", /ENOENT/);
});
