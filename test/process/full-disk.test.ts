/** The disk of the last good snapshot is full: a real file system with no room. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { EMPTY_SNAPSHOT, type Snapshot } from "../../agent/model/snapshot.ts";
import { readSnapshotFile, SnapshotFile } from "../../agent/state/file.ts";
import { SmallDisk } from "../support/small-disk.ts";

/** A snapshot of that many services: each takes some hundred bytes. */
function snapshotOf(version: number, services: number): Snapshot {
  const names = Array.from({ length: services }, (_, i) => `service-${i}-${"x".repeat(100)}`);
  const all = names.map((name) => ({
    ...{ namespace: "shop", name, addresses: [], ports: [] },
    balance: { kind: "random" } as const,
  }));
  const byKey = new Map(all.map((service) => [`shop/${service.name}`, service]));
  return { ...EMPTY_SNAPSHOT, version, epoch: "e", services: byKey };
}

test("a full disk is told, the file before it stays good, and writing goes on when there is room", async () => {
  // A few slices of a file, and no more.
  using disk = new SmallDisk(256);
  const path = join(disk.path, "snapshot");
  const problems: string[] = [];
  const onProblem = (problem: string): void => {
    problems.push(problem);
    assert.deepEqual(readdirSync(disk.path), ["snapshot"], "half a file takes the last room");
  };
  const keep = async (snapshot: Snapshot): Promise<void> => {
    await using file = new SnapshotFile({ path, onProblem });
    file.keep(snapshot);
  };
  const version = async (): Promise<number | undefined> => {
    const read = await readSnapshotFile(path);
    return read.kind === "snapshot" ? read.snapshot.version : undefined;
  };

  await keep(snapshotOf(1, 3));
  assert.deepEqual(problems, []);
  await keep(snapshotOf(2, 2000));
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? "", /ENOSPC/);
  assert.equal(await version(), 1);
  await keep(snapshotOf(3, 3));
  assert.equal(problems.length, 1);
  assert.equal(await version(), 3);
});
