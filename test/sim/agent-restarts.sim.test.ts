/** An agent goes and comes back: what went directly before goes on untouched, and nobody needs control for it. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import type { PodPeer, PodSocket } from "../support/pod-peer.ts";
import { until } from "../support/until.ts";

const PORT = 7000;
const EXCLUDED_PORT = 7001;
const NODE = "node-1";
const READY_MS = 15_000;
/** The pods that dial, by their mesh/fail. */
const PODS = ["open", "closed"] as const;

let lab: MeshLab;
let server: PodPeer;
let host: string;

before(async () => {
  const excluded = { "mesh/exclude-outbound-ports": String(EXCLUDED_PORT) };
  lab = await MeshLab.start(
    "agent-restarts",
    PODS.map((fail) => idlePod(fail, NODE, { ...excluded, "mesh/fail": fail })).join("") +
      idlePod("server", "node-2") +
      serviceOf("server", { caught: [PORT, "tcp"], excluded: [EXCLUDED_PORT, "tcp"] }),
  );
  const { services } = await lab.status();
  host = services.find(({ name }) => name === "server")?.clusterIPs[0] ?? "";
  server = lab.peer("server");
  for (const port of [PORT, EXCLUDED_PORT]) await (await server.listen(port)).echo();
});

after(async () => {
  await server[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
});

async function echoes(socket: PodSocket, text: string): Promise<void> {
  await socket.write(text);
  assert.deepEqual(await socket.read(text.length), { text, ended: "open" });
}

/** A pod with connections that go directly: one opened before it was enrolled, one on an excluded port. */
class Direct implements AsyncDisposable {
  readonly peer: PodPeer;
  readonly #sockets: PodSocket[] = [];

  constructor(pod: string) {
    this.peer = lab.peer(pod);
  }

  async open(port: number): Promise<void> {
    const caught = await lab.kernel(NODE, "turned-caught");
    this.#sockets.push(await this.peer.connect(host, port));
    assert.equal(await lab.kernel(NODE, "turned-caught"), caught, `port ${port} went directly`);
  }

  /** Every byte comes back on all of them. */
  async use(text: string): Promise<void> {
    assert.equal(this.#sockets.length, 2);
    for (const socket of this.#sockets) await echoes(socket, text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer[Symbol.asyncDispose]();
  }
}

/** The process of the node's agent; undefined while there is none. */
async function agentPid(): Promise<number | undefined> {
  const { agents } = await lab.status();
  return agents.find(({ node }) => node === NODE)?.process.pid;
}

/** Waits until another agent than that one is ready and catches the peer's new connections. */
async function nextCatches(old: number, peer: PodPeer): Promise<void> {
  await until("another agent is ready", () => nextIsReady(old), READY_MS);
  await until("it catches new connections", () => isCaught(peer), READY_MS);
}

async function nextIsReady(old: number): Promise<boolean> {
  const pid = await agentPid();
  return pid !== undefined && pid !== old && (await lab.readiness(NODE)) === "ready\n";
}

async function isCaught(peer: PodPeer): Promise<boolean> {
  const before = await lab.kernel(NODE, "turned-caught");
  const socket = await peer.connect(host, PORT);
  await echoes(socket, "caught?");
  await socket.end();
  return (await lab.kernel(NODE, "turned-caught")) > before;
}

for (const fail of PODS)
  for (const signal of ["SIGTERM", "SIGKILL"] as const)
    test(`direct connections of a pod with mesh/fail=${fail} live through ${signal} to the agent`, async () => {
      await lab.sim("annotate", "pod", fail, "mesh/enabled-", "--overwrite");
      await lab.sim("wait");
      await using direct = new Direct(fail);
      await direct.open(PORT);
      await lab.enrol(fail);
      await direct.open(EXCLUDED_PORT);
      await direct.use("enrolled");
      assert.ok(await isCaught(direct.peer), "new connections must be caught");
      const old = (await agentPid()) ?? 0;
      process.kill(old, signal);
      await until("the agent is gone", async () => {
        await direct.use("while it goes");
        return (await agentPid()) !== old;
      });
      await direct.use("after it");
      await nextCatches(old, direct.peer);
      await direct.use("with the next");
    });

test("an agent that starts while control is away is ready by the last good snapshot, and enforces it", async () => {
  await lab.enrol(...PODS);
  await using open = lab.peer("open");
  await using closed = lab.peer("closed");
  const old = (await agentPid()) ?? 0;
  await lab.sim("kill", "control", "--stay-dead");
  await lab.sim("kill", `agent/${NODE}`);
  for (const peer of [open, closed]) await nextCatches(old, peer);
  assert.match(await lab.metrics(NODE), /^nodemesh_enrolled_pods 2$/m);
  await lab.sim("revive", "control");
  await lab.sim("wait");
});
