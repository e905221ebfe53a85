/** Pods come and go, agents die, the mesh is switched on and off under load: nobody's connection is reset. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readlinkSync, statSync } from "node:fs";
import { after, before, test } from "node:test";
import { ROUTE_TABLE } from "../../agent/kernel/layout.gen.ts";
import { openNetlink } from "../../agent/kernel/netlink.ts";
import { closeNetns, openNetns } from "../../agent/kernel/netns.ts";
import { listRules } from "../../agent/kernel/rules.ts";
import { AF_INET, AF_INET6 } from "../../agent/kernel/socket-constants.ts";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import type { PodPeer, PodSocket } from "../support/pod-peer.ts";
import { until } from "../support/until.ts";

const PORT = 7000;
const FLIPS = 20;

/** A closed pod that its node probes. */
const PROBED = `---
apiVersion: v1
kind: Pod
metadata: { name: probed, annotations: { mesh/enabled: "true", mesh/fail: closed } }
spec:
  nodeName: node-1
  terminationGracePeriodSeconds: 1
  containers:
    - name: echo
      image: nodemesh/echo
      ports: [{ containerPort: 8080 }]
      readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1, failureThreshold: 1 }
`;

const MANIFESTS =
  idlePod("client", "node-1") +
  idlePod("server", "node-2") +
  idlePod("closed", "node-1", { "mesh/fail": "closed", "mesh/enabled": "true" }) +
  PROBED +
  serviceOf("server", { bytes: [PORT, "tcp"] });

let lab: MeshLab;
let client: PodPeer;
let server: PodPeer;
let host: string;

before(async () => {
  lab = await MeshLab.start("lifecycle", MANIFESTS);
  const { services } = await lab.status();
  host = services.find(({ name }) => name === "server")?.clusterIPs[0] ?? "";
  client = lab.peer("client");
  server = lab.peer("server");
  const listener = await server.listen(PORT);
  await listener.echo();
});

after(async () => {
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
});

async function echoes(socket: PodSocket, text: string): Promise<void> {
  await socket.write(text);
  assert.deepEqual(await socket.read(text.length), { text, ended: "open" });
}

test(`switching both pods in and out ${FLIPS} times under load resets nothing`, async () => {
  const old = await client.connect(host, PORT);
  const bursts: Promise<number>[] = [];
  const kept: PodSocket[] = [];
  const caughtBefore = await lab.kernel("node-1", "turned-caught");
  for (let i = 0; i < FLIPS; i++) {
    const value = i % 2 === 0 ? "mesh/enabled=true" : "mesh/enabled-";
    bursts.push(
      client
        .ask({ op: "burst", host, port: PORT, count: 300, parallel: 4 })
        .then(({ failed = -1 }) => failed),
    );
    await lab.sim("annotate", "pod", "client", value, "--overwrite");
    await lab.sim("annotate", "pod", "server", value, "--overwrite");
    const socket = await client.connect(host, PORT);
    kept.push(socket);
    for (const one of [old, ...kept]) await echoes(one, `flip ${i}`);
  }
  assert.deepEqual(await Promise.all(bursts), Array(FLIPS).fill(0));
  assert.ok(
    (await lab.kernel("node-1", "turned-caught")) > caughtBefore,
    "nothing was ever caught",
  );
  for (const one of [old, ...kept]) {
    await one.end();
    assert.equal((await one.read()).ended, "fin");
  }
});

test("after the last relayed connection nothing of the mesh is left in an un-enrolled pod", async () => {
  await lab.sim("annotate", "pod", "client", "mesh/enabled-", "--overwrite");
  const { netns } = await lab.pod("client");
  const fd = openNetns(netns);
  try {
    await until("no rule of the mesh is left", () => !hasMeshRule(fd));
  } finally {
    closeNetns(fd);
  }
});

test("with mesh/fail=open a killed agent costs new connections nothing; they come back to it", async () => {
  await lab.enrol("client");
  const before = await lab.kernel("node-1", "turned-caught");
  await until("the client is caught", async () => {
    const socket = await client.connect(host, PORT);
    await socket.end();
    await socket.read();
    return (await lab.kernel("node-1", "turned-caught")) > before;
  });
  await lab.sim("kill", "agent/node-1", "--stay-dead");
  const { failed } = await client.ask({ op: "burst", host, port: PORT, count: 200, parallel: 4 });
  assert.equal(failed, 0);
  await lab.sim("revive", "agent/node-1");
  await lab.sim("wait");
  const revived = await lab.kernel("node-1", "turned-caught");
  await until("the new agent catches again", async () => {
    const socket = await client.connect(host, PORT);
    await echoes(socket, "again");
    await socket.end();
    return (await lab.kernel("node-1", "turned-caught")) > revived;
  });
});

test("with mesh/fail=closed a killed agent means refused at once, never a hang", async () => {
  await using closed = lab.peer("closed");
  const fine = await closed.connect(host, PORT);
  await echoes(fine, "before");
  await lab.sim("kill", "agent/node-1", "--stay-dead");
  const started = performance.now();
  await assert.rejects(closed.connect(host, PORT), /ECONNREFUSED/);
  assert.ok(performance.now() - started < 1_000, "the refusal took too long");
  await until("its node's probe is refused too", async () => !(await lab.pod("probed")).ready);
  await lab.sim("revive", "agent/node-1");
  await lab.sim("wait");
  await echoes(await closed.connect(host, PORT), "after");
  await until("the probed pod is ready again", async () => (await lab.pod("probed")).ready);
});

test("control may die and come back: traffic goes on, and then changes arrive again", async () => {
  await lab.sim("kill", "control", "--stay-dead");
  const { failed } = await client.ask({ op: "burst", host, port: PORT, count: 100, parallel: 4 });
  assert.equal(failed, 0);
  await lab.sim("revive", "control");
  await lab.sim("annotate", "pod", "server", "mesh/enabled=true", "--overwrite");
  await lab.sim("wait");
  const before = await lab.kernel("node-2", "inbound-caught");
  await until("the server is caught again", async () => {
    await echoes(await client.connect(host, PORT), "hello");
    return (await lab.kernel("node-2", "inbound-caught")) > before;
  });
});

test("a pod deleted under load leaves no namespace behind", async () => {
  const { netns } = await lab.pod("client");
  const namespace = `net:[${statSync(netns).ino}]`;
  const load = client.ask({ op: "burst", host, port: PORT, count: 100_000, parallel: 8 });
  await lab.sim("delete", "pod", "client");
  await load;
  await until("the namespace's file is gone", () => !existsSync(netns));
  const { agents } = await lab.status();
  const pids = agents.flatMap(({ process }) => process.pid ?? []);
  assert.equal(pids.length, 2);
  // Whoever held a descriptor of the namespace would keep it alive.
  await until("no agent holds the namespace", () =>
    pids.every((pid) => !descriptors(pid).includes(namespace)),
  );
});

function descriptors(pid: number): readonly string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).map((fd) => {
    try {
      return readlinkSync(`${directory}/${fd}`);
    } catch {
      return "closed meanwhile";
    }
  });
}

function hasMeshRule(netns: number): boolean {
  using netlink = openNetlink(netns);
  const rules = [...listRules(netlink, AF_INET), ...listRules(netlink, AF_INET6)];
  return rules.some((rule) => rule.table === ROUTE_TABLE);
}
