/**
 * Control is away, and all pods of a Service are replaced meanwhile: who finds no known endpoint is led to the ClusterIP
 * that was dialled, as without a mesh. Not where a strict pod is the client, or was known behind the Service.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { idlePod, MeshLab } from "../support/mesh-lab.ts";
import { OwnAgent } from "../support/own-agent.ts";
import { withFile } from "../support/sim-verbs.ts";
import { until } from "../support/until.ts";

const AWAY_MS = 1_000;
/**
 * Longer than the 3 s after which an endpoint that says nothing counts as one that does not answer. The address of a pod
 * that has gone is found unreachable after 3 s, or, while its neighbour entry lives, after half a minute.
 */
const ANSWER_S = 8;
const AWAY = "no known endpoint answers and control is away: going to the ClusterIP";

/** The pod behind the Service `name`, in which nobody listens. */
function idleServer(name: string, annotations: Readonly<Record<string, string>> = {}): string {
  return idlePod(`${name}-1`, "node-2", annotations).replace(`app: ${name}-1`, `app: ${name}`);
}

/** The pod that replaces it. */
function echoServer(name: string): string {
  return `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}-2, labels: { app: ${name} } }
spec:
  nodeName: node-2
  containers: [{ name: main, image: nodemesh/echo, env: [{ name: PORT, value: "80" }] }]
`;
}

function service(name: string): string {
  return `
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  selector: { app: ${name} }
  ports:
    - { name: http, port: 80, targetPort: 80, appProtocol: http }
    - { name: bytes, port: 82, targetPort: 80, appProtocol: tcp }
`;
}

const MANIFESTS =
  idlePod("client", "node-1", { "mesh/enabled": "true" }) +
  idlePod("strict", "node-1", { "mesh/enabled": "true", "mesh/mtls": "strict" }) +
  idleServer("server") +
  idleServer("guarded", { "mesh/enabled": "true", "mesh/mtls": "strict" }) +
  service("server") +
  service("guarded");

let lab: MeshLab;
let agent: OwnAgent;

before(async () => {
  lab = await MeshLab.start("control-away", MANIFESTS);
  agent = await OwnAgent.replace(lab, "node-1", ["--control-away-ms", String(AWAY_MS)]);
});

after(() => lab[Symbol.asyncDispose]());

/** Status and body of one request; the status of a connection that ends without an answer is 000. */
async function ask(pod: string, url: string): Promise<{ status: string; body: string }> {
  const words = ["curl", "-s", "-m", String(ANSWER_S), "-w", "\n%{http_code}", url];
  const { stdout } = await lab.exec(pod, ...words);
  const at = stdout.lastIndexOf("\n");
  return { status: stdout.slice(at + 1), body: stdout.slice(0, at) };
}

/** How many connections went to the ClusterIP of a Service. */
async function fallbacks(service: string): Promise<number> {
  const line = new RegExp(
    `^nodemesh_cluster_ip_fallbacks_total\\{dst_service="default/${service}"\\} (\\d+)$`,
    "m",
  );
  return Number(line.exec(await lab.metrics("node-1"))?.[1] ?? 0);
}

test("as long as control is there, whom nobody answers is refused", async () => {
  assert.equal((await ask("client", "http://server/")).status, "503");
  assert.equal(await fallbacks("server"), 0);
});

test("with control away, who finds no known pod of a Service gets those that have replaced them", async () => {
  await lab.sim("kill", "control", "--stay-dead");
  await lab.sim("delete", "pod", "server-1", "guarded-1");
  const manifests = echoServer("server") + echoServer("guarded");
  await withFile(manifests, (file) => lab.sim("apply", "-f", file));
  await until("the new pods are ready", async () => {
    const { pods } = await lab.status();
    return pods.filter(({ name, ready }) => name.endsWith("-2") && ready).length === 2;
  });
  let answer = { status: "", body: "" };
  await until(
    "a request is answered",
    async () => {
      answer = await ask("client", "http://server/");
      return answer.status === "200";
    },
    60_000,
  );
  const { pod, client } = JSON.parse(answer.body) as { pod: string; client: string };
  assert.equal(pod, "server-2");
  assert.ok((await lab.pod("client")).addresses.includes(client), client);
  const fellBack = await fallbacks("server");
  assert.ok(fellBack > 0);
  assert.equal((await ask("client", "http://server:82/")).status, "200");
  assert.equal(await fallbacks("server"), fellBack + 1);
  const warned = agent.linesThatSay(AWAY).map((line) => line.service);
  assert.deepEqual(warned, ["default/server"], "one warning for both");
});

test("strict pods, as clients or known behind the Service, are not led past the mesh", async () => {
  const before = await fallbacks("server");
  const [fromStrict, bytesFromStrict, toStrict] = await Promise.all([
    ask("strict", "http://server/"),
    ask("strict", "http://server:82/"),
    ask("client", "http://guarded/"),
  ]);
  // 000 also where the addresses of pods that have gone say nothing for longer than is waited here.
  assert.match(fromStrict.status, /^(?:50[34]|000)$/);
  assert.equal(bytesFromStrict.status, "000");
  assert.match(toStrict.status, /^(?:50[34]|000)$/);
  assert.equal(await fallbacks("server"), before);
  assert.equal(await fallbacks("guarded"), 0);
});

test("once control is back, the new pods are known and nothing goes to the ClusterIP", async () => {
  await lab.sim("revive", "control");
  await until(
    "the client's agent knows the new pod",
    async () => (await ask("client", "http://guarded/")).status === "200",
    60_000,
  );
  const before = await fallbacks("server");
  assert.equal((await ask("client", "http://server/")).status, "200");
  assert.equal(await fallbacks("server"), before);
  assert.equal(await fallbacks("guarded"), 0);
});
