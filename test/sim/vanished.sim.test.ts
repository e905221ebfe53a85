/**
 * A node vanishes: its packets go nowhere, no FIN and no RST come any more. Each case first between pods without a mesh,
 * so that the expectation is proved: who has told its socket how long it bears silence learns of it in that time. The
 * agents look once a second, so it may take that much longer with a mesh.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { closeNetns, inNetns, openNetns, writeSysctl } from "../../agent/kernel/netns.ts";
import {
  SO_KEEPALIVE,
  SOL_SOCKET,
  SOL_TCP,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_USER_TIMEOUT,
} from "../../agent/kernel/socket-constants.ts";
import type { LibcPeer } from "../support/libc-peer.ts";
import { idlePod, type LabStatus, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import { until } from "../support/until.ts";

const BYTES_PORT = 7000;
const HTTP_PORT = 80;
const ENROLLED = { "mesh/enabled": "true" };
const PORTS = { bytes: [BYTES_PORT, "tcp"], http: [HTTP_PORT, "http"] } as const;
const MANIFESTS =
  idlePod("direct-client", "node-1") +
  idlePod("direct-server", "node-2") +
  idlePod("mesh-client", "node-1", ENROLLED) +
  idlePod("mesh-server", "node-2", ENROLLED) +
  serviceOf("direct-server", PORTS) +
  serviceOf("mesh-server", PORTS);

const GET = "GET /poll HTTP/1.1\r\nHost: server\r\n";
const UPGRADE = "Connection: Upgrade\r\nUpgrade: talk\r\n\r\n";
/** Requests, and how far the server answers them: not at all, half, or by another protocol. */
const TALKS = [
  [`${GET}\r\n`, ""],
  [`${GET}\r\n`, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"],
  [`${GET}${UPGRADE}`, `HTTP/1.1 101 Talk\r\n${UPGRADE}half`],
] as const;

/** The first probe after a second of silence, then one a second: silence is borne for four seconds. */
const PROBES: readonly (readonly [level: number, name: number, value: number])[] = [
  [SOL_SOCKET, SO_KEEPALIVE, 1],
  [SOL_TCP, TCP_KEEPIDLE, 1],
  [SOL_TCP, TCP_KEEPINTVL, 1],
  [SOL_TCP, TCP_KEEPCNT, 3],
];
const BORNE_MS = 4000;
/** What a connection's first look and a busy machine may add. */
const LATE_MS = 4000;
/** An agent asks again whether an application has changed its mind. */
const ASKED_AGAIN_MS = 8000;
/** Of /proc/net/tcp: a socket whose timer is that of its probes. */
const PROBES_ARE_DUE = "02";

let lab: MeshLab;
let status: LabStatus;
let forwarder: number;
const peers: LibcPeer[] = [];

before(async () => {
  lab = await MeshLab.start("vanished", MANIFESTS);
  status = await lab.status();
  forwarder = openNetns(status.nodes.find(({ name }) => name === "node-2")?.netns ?? "");
});

after(async () => {
  for (const peer of peers) await peer[Symbol.asyncDispose]();
  closeNetns(forwarder);
  await lab[Symbol.asyncDispose]();
});

/** Whether node-2 passes packets on between its pods and everybody else. */
function forward(on: boolean): void {
  writeSysctl(forwarder, "net/ipv4/ip_forward", on ? "1" : "0");
  writeSysctl(forwarder, "net/ipv6/conf/all/forwarding", on ? "1" : "0");
}

/** What happens while nothing comes out of node-2. */
async function vanished<T>(work: () => Promise<T>): Promise<T> {
  forward(false);
  try {
    return await work();
  } finally {
    forward(true);
  }
}

async function tell(peer: LibcPeer, fd: number): Promise<void> {
  for (const option of PROBES) await peer.option(fd, ...option);
}

/** How the connection ends for its application, and after how long. */
async function ending(peer: LibcPeer, fd: number): Promise<{ ended: string; afterMs: number }> {
  const began = performance.now();
  for (;;) {
    const got = await peer.receive(fd);
    const afterMs = performance.now() - began;
    if (!("ended" in got)) continue;
    // The peer's own time-out of a call that blocks.
    if (got.ended !== "EAGAIN" || afterMs > 30_000) return { ended: got.ended, afterMs };
  }
}

/** Of the sockets of a pod that go to `port` and are not its application's: seconds until their next probe. */
function probesOf(pod: string, port: number): readonly number[] {
  const netns = openNetns(status.pods.find(({ name }) => name === pod)?.netns ?? "");
  try {
    const text = inNetns(netns, () =>
      ["tcp", "tcp6"].map((file) => readFileSync(`/proc/thread-self/net/${file}`, "utf8")).join(""),
    );
    const wanted = port.toString(16).toUpperCase().padStart(4, "0");
    return text.split("\n").flatMap((line) => {
      const [, , remote = "", , , timer = ""] = line.trim().split(/\s+/);
      const [kind, ticks = ""] = timer.split(":");
      const due = remote.endsWith(`:${wanted}`) && kind === PROBES_ARE_DUE;
      return due ? [Number.parseInt(ticks, 16) / 100] : [];
    });
  } finally {
    closeNetns(netns);
  }
}

async function vanishedCount(node: string): Promise<number> {
  const lines = (await lab.metrics(node)).split("\n");
  return lines
    .filter((line) => line.includes('reason="peer-vanished"'))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

for (const mesh of ["direct", "mesh"] as const) {
  /** As the kernel says it of its own connection, or as a reset of the agent's. */
  const lost = mesh === "direct" ? "ETIMEDOUT" : "ECONNRESET";

  describe(`${mesh} client and server`, () => {
    let client: LibcPeer;
    let server: LibcPeer;
    let target: string;

    before(() => {
      client = lab.libc(`${mesh}-client`);
      server = lab.libc(`${mesh}-server`);
      peers.push(client, server);
      const service = status.services.find(({ name }) => name === `${mesh}-server`);
      target = service?.clusterIPs.find((ip) => ip.includes(".")) ?? "";
    });

    function inTime({ ended, afterMs }: { ended: string; afterMs: number }, borneMs: number): void {
      assert.equal(ended, lost);
      assert.ok(afterMs > borneMs - 2500, `too early, after ${afterMs} ms`);
      assert.ok(afterMs < borneMs + LATE_MS, `after ${afterMs} ms only`);
    }

    async function said(near: number, far: number): Promise<void> {
      await client.send(near, "hi");
      assert.deepEqual(await server.receive(far), { text: "hi" });
    }

    async function bothLearn(near: number, far: number): Promise<void> {
      await said(near, far);
      const earlier = await vanishedCount("node-1");
      const ends = await vanished(() => Promise.all([ending(client, near), ending(server, far)]));
      for (const end of ends) inTime(end, BORNE_MS);
      assert.equal((await vanishedCount("node-1")) - earlier, mesh === "mesh" ? 1 : 0);
    }

    test("both said before they were connected how long they bear silence", async () => {
      const listener = await server.listen(BYTES_PORT);
      // What a listener was told is its connections' too.
      await tell(server, listener);
      const near = await client.socket(target);
      await tell(client, near);
      assert.equal(await client.connect(near, target, BYTES_PORT), "");
      await bothLearn(near, await server.accept(listener));
      await server.close(listener);
    });

    test("both said it after they were connected", async () => {
      const listener = await server.listen(BYTES_PORT);
      const near = await client.dial(target, BYTES_PORT);
      const far = await server.accept(listener);
      await tell(client, near);
      await tell(server, far);
      await bothLearn(near, far);
      await server.close(listener);
    });

    test("bytes under way and a user time-out", async () => {
      const listener = await server.listen(BYTES_PORT);
      const near = await client.dial(target, BYTES_PORT);
      const far = await server.accept(listener);
      await client.option(near, SOL_TCP, TCP_USER_TIMEOUT, 3000);
      await said(near, far);
      await vanished(async () => {
        await client.send(near, "are you there?");
        inTime(await ending(client, near), 3000);
      });
      await server.close(listener);
    });

    test("an HTTP request that waits for its answer, one in the middle of it, and an upgrade", async () => {
      const listener = await server.listen(HTTP_PORT);
      const polls: number[] = [];
      const served: number[] = [];
      for (const [request, answer] of TALKS) {
        const near = await client.dial(target, HTTP_PORT);
        await tell(client, near);
        await client.send(near, request);
        const far = await server.accept(listener);
        await tell(server, far);
        served.push(far);
        const asked = await server.receive(far);
        assert.match("text" in asked ? asked.text : "", /^GET \/poll/);
        polls.push(near);
        if (answer === "") continue;
        await server.send(far, answer);
        assert.match(JSON.stringify(await client.receive(near)), /half/);
      }
      await vanished(async () => {
        const [waiting = 0, ...others] = polls;
        inTime(await ending(client, waiting), BORNE_MS);
        for (const near of others) assert.equal((await ending(client, near)).ended, lost);
        for (const far of served) assert.equal((await ending(server, far)).ended, lost);
      });
      await server.close(listener);
    });
  });
}

test("without a word the far ends are probed after five minutes; a word that comes later counts", async () => {
  const client = lab.libc("mesh-client");
  const server = lab.libc("mesh-server");
  peers.push(client, server);
  const service = status.services.find(({ name }) => name === "mesh-server");
  const target = service?.clusterIPs.find((ip) => ip.includes(":")) ?? "";
  const listener = await server.listen(BYTES_PORT);
  const near = await client.dial(target, BYTES_PORT);
  await server.accept(listener);
  let probes: readonly number[] = [];
  await until("the far end is to be probed", () => {
    probes = probesOf("mesh-client", BYTES_PORT);
    return probes.length > 0;
  });
  assert.equal(probes.length, 1);
  assert.ok((probes[0] ?? 0) > 280 && (probes[0] ?? 0) <= 300, `in ${probes[0]} s`);
  await tell(client, near);
  const { ended, afterMs } = await vanished(() => ending(client, near));
  assert.equal(ended, "ECONNRESET");
  assert.ok(afterMs < ASKED_AGAIN_MS + BORNE_MS + LATE_MS, `after ${afterMs} ms only`);
});
