/** A node whose state directory has no room: its agent goes on enforcing and acknowledging, and says so. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readSnapshotFile } from "../../agent/state/file.ts";
import type { ControlStatus } from "../../control/status-page.ts";
import { CONTROL_METRICS_PORT } from "../../deploy/sim/mesh/mesh.ts";
import { fetchInNetns } from "../../deploy/sim/mesh/netns-fetch.ts";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import { OwnAgent } from "../support/own-agent.ts";
import { SmallDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";

const PORT = 7000;
const NOT_KEPT = "the last good snapshot was not kept";

let lab: MeshLab;

before(async () => {
  lab = await MeshLab.start(
    "full-disk",
    idlePod("early", "node-1", { "mesh/enabled": "true" }) +
      idlePod("late", "node-1") +
      idlePod("server", "node-1") +
      serviceOf("server", { bytes: [PORT, "tcp"] }),
    1,
  );
});

after(() => lab[Symbol.asyncDispose]());

/** Control's newest version, and the newest that node-1's agent has acknowledged. */
async function versions(): Promise<{ readonly newest: number; readonly acked: number }> {
  const [node] = (await lab.status()).nodes;
  assert.ok(node !== undefined);
  const ip = new URL(node.metrics).hostname;
  const at = { netns: node.netns, ip, port: CONTROL_METRICS_PORT, path: "/status" };
  const { snapshot, agents } = JSON.parse((await fetchInNetns(at))?.body ?? "") as ControlStatus;
  return { newest: snapshot.version, acked: agents[0]?.acked?.version ?? -1 };
}

/** The version in the file; -1 when there is none that can be read. */
async function versionOnDisk(disk: SmallDisk): Promise<number> {
  const read = await readSnapshotFile(join(disk.path, "snapshot"));
  return read.kind === "snapshot" ? read.snapshot.version : -1;
}

test("an agent on a full state directory goes on enforcing and acknowledging, and says so", async () => {
  using disk = new SmallDisk(64);
  const agent = await OwnAgent.replace(lab, "node-1", ["--state-dir", disk.path]);
  const old = await versions();
  await until("the first file", async () => (await versionOnDisk(disk)) === old.newest);
  assert.deepEqual(agent.linesThatSay(NOT_KEPT), []);
  disk.fill();

  await lab.sim("annotate", "pod", "late", "mesh/enabled=true");
  await until("the acknowledgement", async () => {
    const { newest, acked } = await versions();
    return newest > old.newest && acked === newest;
  });
  await using late = lab.peer("late");
  await using server = lab.peer("server");
  const host = (await lab.status()).services.find(({ name }) => name === "server")?.clusterIPs[0];
  await (await server.listen(PORT)).echo();
  const before = await lab.kernel("node-1", "turned-caught");
  const socket = await late.connect(host ?? "", PORT);
  await socket.write("caught");
  assert.equal((await socket.read(6)).text, "caught");
  await socket.end();
  assert.ok((await lab.kernel("node-1", "turned-caught")) > before, "the new pod is not caught");

  await until("word of the disk", () => agent.linesThatSay(NOT_KEPT).length > 0);
  const [line] = agent.linesThatSay(NOT_KEPT);
  assert.equal(line?.level, "warn");
  assert.match(line?.problem ?? "", /snapshot: .*ENOSPC/);
  assert.equal(await versionOnDisk(disk), old.newest);
  assert.deepEqual(readdirSync(disk.path).sort(), ["ballast", "snapshot"]);
  assert.equal(agent.ended, false);

  disk.empty();
  await lab.sim("annotate", "pod", "early", "mesh/fail=closed", "--overwrite");
  await until("a file with the newest", async () => {
    const [{ newest }, kept] = [await versions(), await versionOnDisk(disk)];
    return newest > old.newest && kept === newest;
  });
});
