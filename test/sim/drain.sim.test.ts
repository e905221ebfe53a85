/** SIGTERM to the agent under traffic: old connections live until the deadline, new ones never notice. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { closeNetns, openNetns, writeSysctl } from "../../agent/kernel/netns.ts";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import { OwnAgent } from "../support/own-agent.ts";
import type { PodPeer, PodSocket } from "../support/pod-peer.ts";
import { until } from "../support/until.ts";

const PORT = 7000;
const HTTP_PORT = 80;
const DRAIN_MS = 3_000;
/** The agent's kernel takes all of it at once, the client's next to nothing: it has the last byte many seconds later. */
const ANSWER_BYTES = 4_000_000;
const BYTES_PER_SECOND = 500_000;
const SLOW_MS = 20_000;
const GET = "GET / HTTP/1.1\r\nHost: server\r\n\r\n";
const LAST_GET = "GET / HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

let lab: MeshLab;
let client: PodPeer;
let server: PodPeer;
let host: string;

before(async () => {
  lab = await MeshLab.start(
    "drain",
    idlePod("client", "node-1") +
      idlePod("asker", "node-2", { "mesh/enabled": "true" }) +
      idlePod("server", "node-2") +
      serviceOf("server", { bytes: [PORT, "tcp"], http: [HTTP_PORT, "http"] }),
  );
  const { services } = await lab.status();
  host = services.find(({ name }) => name === "server")?.clusterIPs[0] ?? "";
  client = lab.peer("client");
  server = lab.peer("server");
  await (await server.listen(PORT)).echo();
  // What waits for a slow reader waits in the kernel, behind the agent's last send: there is room before the listener is made.
  const netns = openNetns((await lab.pod("client")).netns);
  writeSysctl(netns, "net/ipv4/tcp_rmem", "4096 131072 131072");
  writeSysctl(netns, "net/ipv4/tcp_wmem", `4096 ${2 * ANSWER_BYTES} ${2 * ANSWER_BYTES}`);
  closeNetns(netns);
  await lab.enrol("client");
});

after(async () => {
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
});

/**
 * A large answer to a client that reads slowly; `part` happens once the server has sent all of it, and most is still in
 * the agent's kernel buffer. Every byte must arrive.
 */
async function downloadSlowly(part: () => Promise<void> | void): Promise<void> {
  const listener = await server.listen(HTTP_PORT);
  const near = await client.connect(host, HTTP_PORT);
  await near.pause();
  await near.write(LAST_GET);
  const far = await listener.accept();
  await listener.close();
  await far.read(LAST_GET.length);
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${ANSWER_BYTES}\r\n\r\n`;
  await far.write(head);
  await far.send(ANSWER_BYTES, "slow");
  const read = near.drain(SLOW_MS, BYTES_PER_SECOND);
  await part();
  const { bytes = 0, ended } = await read;
  assert.equal(ended, "fin");
  assert.ok(bytes > ANSWER_BYTES, `${bytes} bytes`);
}

test("an answer reaches a slow reader whole although its pod leaves the mesh meanwhile", async () => {
  await lab.enrol("client");
  await downloadSlowly(async () => {
    await lab.sim("annotate", "pod", "client", "mesh/enabled-", "--overwrite");
    const none = /^nodemesh_enrolled_pods 0$/m;
    await until("it does not count as enrolled", async () =>
      none.test(await lab.metrics("node-1")),
    );
  });
});

test("an answer reaches a slow reader whole although the agent is terminated meanwhile", async () => {
  await lab.enrol("client");
  const agent = await OwnAgent.replace(lab, "node-1", []);
  await downloadSlowly(() => agent.terminate());
  await until("the agent's end", () => agent.ended);
  await lab.sim("revive", "agent/node-1");
  await lab.sim("wait");
});

test("a terminated agent carries what it has until the deadline, and new connections go direct", async () => {
  const flags = ["--access-log", "1", "--drain-timeout-ms", String(DRAIN_MS)];
  const agent = await OwnAgent.replace(lab, "node-1", flags);
  const caught = await lab.kernel("node-1", "turned-caught");
  const old = await client.connect(host, PORT);
  await old.write("old");
  assert.equal((await old.read(3)).text, "old");
  assert.equal(await lab.kernel("node-1", "turned-caught"), caught + 1);

  const started = performance.now();
  agent.terminate();
  const draining = /shutting down/;
  await until("the agent says that it drains", async () => {
    return draining.test(await lab.readiness("node-1"));
  });
  const { failed } = await client.ask({ op: "burst", host, port: PORT, count: 200, parallel: 4 });
  assert.equal(failed, 0);
  assert.equal(await lab.kernel("node-1", "turned-caught"), caught + 1, "something new was caught");
  await old.write("still");
  assert.equal((await old.read(5)).text, "still");
  assert.equal(agent.ended, false);

  assert.equal((await old.read(1)).ended, "reset");
  assert.ok(performance.now() - started >= DRAIN_MS - 100, "cut before the deadline");
  await until("the agent's end", () => agent.ended);
  assert.equal(agent.linesOf("drain-deadline").length, 1);
});

test("each connection that nobody told of the end is served once more, then told; others end in order", async () => {
  const agent = await OwnAgent.replace(lab, "node-2", ["--drain-timeout-ms", String(DRAIN_MS)]);
  await using asker = lab.peer("asker");
  const listener = await server.listen(HTTP_PORT);
  /** One request, answered; the caller reads the answer. */
  const request = async (near: PodSocket): Promise<void> => {
    const accepted = listener.accept();
    await near.write(GET);
    const far = await accepted;
    await far.read(GET.length);
    await far.write(OK);
    await far.end();
  };
  const [silent, asked, idle] = [
    await asker.connect(host, HTTP_PORT),
    await asker.connect(host, HTTP_PORT),
    await asker.connect(host, HTTP_PORT),
  ];
  await request(asked);
  assert.equal((await asked.read(OK.length)).text, OK);
  agent.terminate();
  await until("the agent says that it drains", async () =>
    /shutting down/.test(await lab.readiness("node-2")),
  );
  for (const near of [silent, asked]) {
    await request(near);
    const { text, ended } = await near.read();
    assert.match(text, /^HTTP\/1.1 200 .*\r\nconnection: close\r\n.*\r\nok$/is);
    assert.equal(ended, "fin");
  }
  assert.equal((await idle.read(1)).ended, "fin");
  await until("the agent's end", () => agent.ended);
});
