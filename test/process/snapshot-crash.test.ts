/** An agent that is killed while it writes the last good snapshot: a real process, killed in the middle of a real file. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EMPTY_SNAPSHOT } from "../../agent/model/snapshot.ts";
import { readSnapshotFile, SnapshotFile } from "../../agent/state/file.ts";

/** Keeps a snapshot of one service, then dies after the second slice of a larger one: $1 the file. */
const DIES = `
  import { SnapshotFile } from ${JSON.stringify(import.meta.resolve("../../agent/state/file.ts"))};
  const snapshot = (version, count) => {
    const services = Array.from({ length: count }, (_, i) => {
      const fields = { addresses: [], ports: [], balance: { kind: "random" } };
      return ["shop/order-" + i, { namespace: "shop", name: "order-" + i, ...fields }];
    });
    return { epoch: "e", version, workloads: new Map(), services: new Map(services) };
  };
  const [path] = process.argv.slice(1);
  const onProblem = (problem) => { throw new Error(problem); };
  {
    await using first = new SnapshotFile({ path, onProblem });
    first.keep(snapshot(1, 1));
  }
  let pauses = 0;
  const pause = async () => {
    pauses += 1;
    // One before the first slice, one after each.
    if (pauses === 3) process.kill(process.pid, "SIGKILL");
  };
  new SnapshotFile({ path, onProblem, pause }).keep(snapshot(2, 5000));
`;

test("a crash in the middle of a write leaves the file before it, and half a draft is no snapshot", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-crash-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "snapshot");
  const argv = ["--input-type=module", "-e", DIES, path];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit"] });
  const [, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  assert.equal(signal, "SIGKILL");

  assert.deepEqual(readdirSync(folder), ["snapshot", "snapshot.draft"]);
  const [kept, draft] = [await readSnapshotFile(path), await readSnapshotFile(`${path}.draft`)];
  assert.equal(kept.kind === "snapshot" && kept.snapshot.version, 1);
  assert.equal(draft.kind, "unusable");
  {
    await using next = new SnapshotFile({ path, onProblem: assert.fail });
    next.keep({ ...EMPTY_SNAPSHOT, epoch: "e", version: 3 });
  }
  assert.deepEqual(readdirSync(folder), ["snapshot"]);
  const after = await readSnapshotFile(path);
  assert.equal(after.kind === "snapshot" && after.snapshot.version, 3);
});
