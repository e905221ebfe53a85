/** What the simulated network gives every pod without a mesh: neighbours, cluster DNS, ClusterIPs. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SimLab } from "../support/sim-lab.ts";
import { until } from "../support/until.ts";

/** Answers TCP and UDP on 7000 (both families) with its own name. */
const SERVER = `
const os = require("node:os");
require("node:net").createServer((s) => s.on("error", () => s.destroy()).end(os.hostname())).listen(7000, "::");
const udp = require("node:dgram").createSocket("udp6");
udp.on("message", (m, f) => udp.send(os.hostname(), f.port, f.address)).bind(7000);
`;

const server = JSON.stringify([process.execPath, "-e", SERVER]);

const MANIFESTS = `
apiVersion: v1
kind: Pod
metadata: { name: client, labels: { app: client } }
spec: { nodeName: node-1, terminationGracePeriodSeconds: 0, containers: [{ name: main, command: [sleep, infinity] }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: filler }
spec:
  replicas: 0
  selector: { matchLabels: { app: filler } }
  template:
    metadata: { labels: { app: filler } }
    spec:
      nodeSelector: { kubernetes.io/hostname: node-1 }
      terminationGracePeriodSeconds: 0
      containers: [{ name: main, command: [sleep, infinity] }]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: web }
spec:
  replicas: 2
  serviceName: web
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{ name: main, command: ${server}, ports: [{ name: talk, containerPort: 7000 }] }]
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { clusterIP: None, selector: { app: web }, ports: [{ name: talk, port: 7000 }] }
---
apiVersion: v1
kind: Service
metadata: { name: both }
spec:
  selector: { app: web }
  ports:
    - { name: tcp-a, port: 80, targetPort: talk }
    - { name: tcp-b, port: 81, targetPort: 7000 }
    - { name: udp, port: 80, targetPort: 7000, protocol: UDP }
---
apiVersion: v1
kind: Service
metadata: { name: sticky }
spec: { sessionAffinity: ClientIP, selector: { app: web }, ports: [{ port: 80, targetPort: talk }] }
---
apiVersion: v1
kind: Service
metadata: { name: nobody }
spec: { selector: { app: nobody }, ports: [{ name: t, port: 80 }, { name: u, port: 80, protocol: UDP }] }
`;

let lab: SimLab;
let addresses: ReadonlyMap<string, readonly string[]>;

before(async () => {
  lab = await SimLab.start("sim-network", MANIFESTS, "--no-mesh");
  const { services } = JSON.parse(await lab.sim("status", "-o", "json")) as {
    services: readonly { name: string; clusterIPs: readonly string[] }[];
  };
  addresses = new Map(services.map(({ name, clusterIPs }) => [name, clusterIPs]));
});

after(() => lab[Symbol.asyncDispose]());

/** Runs an async function body in the client pod; its value. */
async function inClient<T>(body: string): Promise<T> {
  const script = `(async () => { ${body} })().then((v) => console.log(JSON.stringify(v)))`;
  return JSON.parse(await lab.exec("client", process.execPath, "-e", script)) as T;
}

function addressOf(service: string, family: number): string {
  const found = addresses.get(service)?.find((ip) => ip.includes(":") === (family === 6));
  assert.ok(found, `${service} has no IPv${family} address`);
  return found;
}

const DNS = `const r = new (require("node:dns").promises.Resolver)({ timeout: 2000, tries: 1 });
const ask = (...a) => r.resolve(...a).catch((e) => e.code);`;

test("names of Services: A, AAAA, SRV; pods of a headless one; what is not there", async () => {
  const web = "web.default.svc.cluster.local";
  const both = "both.default.svc.cluster.local";
  const names = [
    [both, "A"],
    [both, "AAAA"],
    [`_tcp-b._tcp.${both}`, "SRV"],
    [web, "A"],
    [`web-1.${web}`, "A"],
    [`web-9.${web}`, "A"],
    ["no.default.svc.cluster.local", "A"],
  ];
  const [a, aaaa, srv, headless, pod, noPod, none] = await inClient<unknown[]>(
    `${DNS} return Promise.all(${JSON.stringify(names)}.map((n) => ask(...n)))`,
  );
  assert.deepEqual(a, [addressOf("both", 4)]);
  assert.deepEqual(aaaa, [addressOf("both", 6)]);
  assert.deepEqual(srv, [{ name: both, port: 81, priority: 0, type: "SRV", weight: 100 }]);
  assert.equal((headless as string[]).length, 2);
  assert.ok(Array.isArray(pod) && (headless as string[]).includes(pod[0]));
  assert.deepEqual([noPod, none], ["ENOTFOUND", "ENOTFOUND"]);
});

test("search domains complete short names; names of the world outside are refused at once", async () => {
  const seen = await inClient<{ ips: string[]; other: string; ms: number }>(`
    const { lookup } = require("node:dns").promises;
    const ips = await Promise.all(["both", "both.default", "both.default.svc"].map((n) => lookup(n, 4)));
    const started = performance.now();
    const other = await lookup("example.com").then(() => "found", (e) => e.code);
    return { ips: ips.map((i) => i.address), other, ms: performance.now() - started };`);
  assert.deepEqual(seen.ips, Array(3).fill(addressOf("both", 4)));
  assert.match(seen.other, /EAI_AGAIN|ENOTFOUND/);
  assert.ok(seen.ms < 2_000, `refused after ${seen.ms} ms`);
});

test("cluster DNS answers over TCP on its ClusterIP too", async () => {
  const bytes = await inClient<number>(`
    const name = ["both", "default", "svc", "cluster", "local"];
    const question = Buffer.concat([
      Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
      ...name.map((l) => Buffer.concat([Buffer.from([l.length]), Buffer.from(l)])),
      Buffer.from([0, 0, 1, 0, 1]),
    ]);
    const socket = require("node:net").connect(53, "10.96.0.10");
    socket.write(Buffer.concat([Buffer.from([0, question.length]), question]));
    const [answer] = await require("node:events").once(socket, "data");
    socket.destroy();
    return [...answer.subarray(-4)];`);
  assert.deepEqual(bytes, addressOf("both", 4).split(".").map(Number));
});

const TALK = `
const { once } = require("node:events");
const talk = async (host, port) => {
  const s = require("node:net").connect(port, host);
  try { const [d] = await once(s, "data"); return String(d); } catch (e) { return e.code; }
};
const say = async (host, port) => {
  const s = require("node:dgram").createSocket(host.includes(":") ? "udp6" : "udp4");
  const timer = setTimeout(() => s.emit("error", Object.assign(new Error(), { code: "SILENT" })), 2000);
  try {
    s.send("x", port, host, (e) => e && s.emit("error", e));
    const [d, from] = await once(s, "message");
    return String(d) + " from " + from.address;
  } catch (e) { return e.code; } finally { clearTimeout(timer); s.close(); }
};
const many = async (n, f) => { const all = []; for (let i = 0; i < n; i++) all.push(await f()); return [...new Set(all)].sort(); };
`;

for (const family of [4, 6]) {
  test(`a ClusterIP spreads TCP and UDP, each port to its target (IPv${family})`, async () => {
    const host = addressOf("both", family);
    const [named, numbered, udp] = await inClient<string[][]>(`${TALK}
      return [await many(40, () => talk("${host}", 80)), await many(40, () => talk("${host}", 81)),
        await many(40, () => say("${host}", 80))];`);
    assert.deepEqual(named, ["web-0", "web-1"]);
    assert.deepEqual(numbered, ["web-0", "web-1"]);
    assert.deepEqual(udp, [`web-0 from ${host}`, `web-1 from ${host}`]);
  });

  test(`sessionAffinity ClientIP keeps a client with one pod (IPv${family})`, async () => {
    const host = addressOf("sticky", family);
    const pods = await inClient<string[]>(`${TALK} return many(20, () => talk("${host}", 80));`);
    assert.equal(pods.length, 1);
    assert.match(pods[0] ?? "", /^web-[01]$/);
  });

  test(`a Service without endpoints refuses at once (IPv${family})`, async () => {
    const host = addressOf("nobody", family);
    const seen = await inClient<{ tcp: string; udp: string; ms: number }>(`${TALK}
      const started = performance.now();
      const tcp = await talk("${host}", 80);
      const udp = await say("${host}", 80);
      return { tcp, udp, ms: performance.now() - started };`);
    assert.deepEqual([seen.tcp, seen.udp], ["ECONNREFUSED", "ECONNREFUSED"]);
    assert.ok(seen.ms < 1_000, `refused after ${seen.ms} ms`);
  });
}

test("pods that come and go never take the gateway from their neighbours", async () => {
  const bridge = () => lab.exec("client", "cat", "/proc/net/arp");
  const look = () => inClient<unknown>(`${DNS} return ask("both.default.svc.cluster.local", "A")`);
  await look();
  const before = gatewayIn(await bridge());
  for (const replicas of ["6", "12", "1"]) {
    await lab.sim("scale", "deploy/filler", `--replicas=${replicas}`);
    await lab.sim("wait");
    assert.deepEqual(await look(), [addressOf("both", 4)], `with ${replicas} more pods`);
  }
  // Left to itself the bridge takes the lowest address of its ports: after 12 more it is rarely the old one.
  const { node } = JSON.parse(await lab.exec("node/node-1", process.execPath, "-e", BRIDGE));
  assert.equal(node, before);
});

/** Prints the bridge's Ethernet address, from inside the node's namespace. */
const BRIDGE = `const { networkInterfaces } = require("node:os");
console.log(JSON.stringify({ node: networkInterfaces().pods[0].mac }));`;

function gatewayIn(arp: string): string {
  const line = arp.split("\n").find((one) => one.startsWith("10.244.1.1 "));
  return line?.trim().split(/ +/)[3] ?? "no entry";
}

test("objects are changed while they run: a Service's selector, a pod's label, a deletion", async () => {
  const moved = await lab.apply(`
apiVersion: v1
kind: Service
metadata: { name: nobody }
spec: { selector: { tier: chosen }, ports: [{ name: t, port: 80, targetPort: 7000 }] }
`);
  assert.equal(moved.code, 0, moved.stderr);
  await lab.sim("label", "pod", "web-1", "tier=chosen");
  const host = addressOf("nobody", 4);
  const talk = () => inClient<string[]>(`${TALK} return many(5, () => talk("${host}", 80));`);
  await until("the labelled pod answers", async () => (await talk()).join() === "web-1");
  await lab.sim("label", "pod/web-1", "tier-");
  await until("nobody answers", async () => (await talk()).join() === "ECONNREFUSED");
  await lab.sim("delete", "svc", "nobody");
  assert.equal((await lab.run("delete", "svc", "nobody")).code, 1);
});

test("a clusterIP that is taken is that Service's problem alone", async () => {
  const { code, stderr } = await lab.apply(`
apiVersion: v1
kind: Service
metadata: { name: thief }
spec: { clusterIP: ${addressOf("both", 4)}, selector: { app: web }, ports: [{ port: 80 }] }
`);
  assert.equal(code, 1);
  assert.match(stderr, /service\/thief: clusterIP .* is taken/);
  await lab.sim("scale", "deploy/filler", "2");
  await lab.sim("wait", "--for=condition=Available", "deploy/filler", "--timeout=10s");
});
