/**
 * Kinds of pods and of traffic on enrolled pods, each as without the mesh: probes, init containers, sidecars, Jobs,
 * StatefulSets, kinds of Services, DNS, the API server, and kubectl's own ways into a pod. One namespace, enrolled
 * as a whole by its annotation.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { CoreV1Event, V1Pod, V1Service } from "@kubernetes/client-node";
import { eventually, type KubeList, type KubeObject, TestCluster } from "../../harness/cluster.ts";
import { caught, installMesh } from "../../harness/mesh.ts";
import { ECHO_IMAGE, echoServer, pod, podTemplate, service } from "../../harness/pods.ts";

const NAMESPACE = "zoo";
const GRPC_PORT = 9000;
const HOST_PORT = 18_080;

/** Answers the gRPC health protocol's Check (grpc.health.v1, HealthCheckResponse{status: SERVING}). */
const GRPC_HEALTH = `
import { createServer } from "node:http2";
const server = createServer();
server.on("stream", (stream) => {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.resume();
  stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1]));
});
server.listen(${GRPC_PORT}, "::");
`;

/** Says another number five times a second. */
const TALKS = 'let n = 0; setInterval(() => console.log("said " + ++n), 200)';

const curl = (...args: readonly string[]): readonly string[] => ["curl", "-sf", "-m", "5", ...args];
const plain = { ports: undefined, readinessProbe: undefined };
const named = (name: string, over: KubeObject = {}): Parameters<typeof pod>[0] => ({
  namespace: NAMESPACE,
  name,
  labels: { app: name },
  ...over,
});

const OBJECTS: readonly KubeObject[] = [
  ...echoServer(named("server"), 2),
  pod(
    named("probed", {
      spec: {
        initContainers: [
          {
            name: "asks-first",
            image: ECHO_IMAGE,
            command: curl("--retry", "20", "--retry-all-errors", "http://server/"),
          },
          {
            name: "sidecar",
            image: ECHO_IMAGE,
            restartPolicy: "Always",
            env: [{ name: "PORT", value: "9090" }],
            startupProbe: { httpGet: { path: "/healthz", port: 9090 }, periodSeconds: 1 },
          },
        ],
      },
      container: {
        ports: [{ containerPort: 8080, hostPort: HOST_PORT }],
        startupProbe: {
          exec: { command: curl("http://127.0.0.1:8080/healthz") },
          periodSeconds: 1,
        },
        readinessProbe: { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 1 },
        livenessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
      },
    }),
  ),
  pod(
    named("grpc-probed", {
      container: {
        command: ["/nodemesh/node", "--input-type=module", "-e", GRPC_HEALTH],
        ports: [{ containerPort: GRPC_PORT }],
        readinessProbe: { grpc: { port: GRPC_PORT }, periodSeconds: 1 },
      },
    }),
  ),
  {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { namespace: NAMESPACE, name: "job" },
    spec: {
      backoffLimit: 10,
      template: podTemplate(
        named("job", {
          spec: { restartPolicy: "Never" },
          container: {
            command: curl("--retry", "20", "--retry-all-errors", "http://server/"),
            ...plain,
          },
        }),
      ),
    },
  },
  {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { namespace: NAMESPACE, name: "db" },
    spec: {
      serviceName: "db",
      replicas: 2,
      podManagementPolicy: "Parallel",
      selector: { matchLabels: { app: "db" } },
      template: podTemplate(
        named("db", {
          container: {
            env: [{ name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
          },
        }),
      ),
    },
  },
  service(NAMESPACE, "db", { clusterIP: "None", ports: [{ name: "http", port: 8080 }] }),
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: NAMESPACE, name: "elsewhere" },
    spec: { type: "ExternalName", externalName: `server.${NAMESPACE}.svc.cluster.local` },
  },
  pod(
    named("on-the-host", {
      spec: { hostNetwork: true },
      container: { env: [{ name: "PORT", value: "19999" }], ...plain },
    }),
  ),
  pod(named("client")),
  pod(
    named("talker", {
      container: {
        command: ["/nodemesh/node", "-e", TALKS],
        ...plain,
      },
    }),
  ),
];

const cluster = new TestCluster();

before(async () => {
  await installMesh(cluster);
  await cluster.namespace(NAMESPACE, { "mesh/enabled": "true" });
  await cluster.apply(OBJECTS);
  await cluster.rolledOut("deployment/server", NAMESPACE);
  await cluster.kubectl(
    "-n",
    NAMESPACE,
    "wait",
    "--for=condition=Ready",
    "--timeout=60s",
    "pod/client",
  );
});
after(() => cluster.deleteNamespace(NAMESPACE));

/** Asks from a container of the enrolled pod `client`. */
async function ask(...args: readonly string[]): Promise<string> {
  return cluster.exec("pod/client", NAMESPACE, ...curl(...args));
}

/** The same; fails unless the mesh has carried it. */
async function askThroughMesh(...args: readonly string[]): Promise<string> {
  const base = await caught(cluster);
  const answer = await ask(...args);
  assert.ok((await caught(cluster)) > base, `${args.join(" ")} did not go through the mesh`);
  return answer;
}

/** The fields of an answer of the echo image. */
function who(answer: string): {
  readonly pod: string;
  readonly service: string;
  readonly client: string;
} {
  return JSON.parse(answer) as ReturnType<typeof who>;
}

async function podNamed(name: string): Promise<V1Pod> {
  return cluster.get<V1Pod>("pod", name, "-n", NAMESPACE);
}

test("exec, HTTP and TCP probes, an init container that calls, a native sidecar", async () => {
  await cluster.kubectl(
    "-n",
    NAMESPACE,
    "wait",
    "--for=condition=Ready",
    "--timeout=60s",
    "pod/probed",
  );
  const { status } = await podNamed("probed");
  const [init, sidecar] = status?.initContainerStatuses ?? [];
  assert.equal(init?.state?.terminated?.exitCode, 0);
  assert.equal(sidecar?.ready, true);
  assert.deepEqual(
    [...(status?.containerStatuses ?? []), sidecar].map((one) => one?.restartCount),
    [0, 0],
  );
});

test("a gRPC probe", async () => {
  await cluster.kubectl(
    "-n",
    NAMESPACE,
    "wait",
    "--for=condition=Ready",
    "--timeout=60s",
    "pod/grpc-probed",
  );
});

test("an init container's and a Job's calls, and the Job completes", async () => {
  await cluster.kubectl(
    "-n",
    NAMESPACE,
    "wait",
    "--for=condition=Complete",
    "--timeout=60s",
    "job/job",
  );
  assert.equal(who(await cluster.kubectl("-n", NAMESPACE, "logs", "job/job")).service, "server");
});

test("a StatefulSet behind a headless Service: each pod by its own name", async () => {
  await cluster.rolledOut("statefulset/db", NAMESPACE);
  for (const name of ["db-0", "db-1"])
    assert.equal(who(await askThroughMesh(`http://${name}.db:8080/`)).pod, name);
  const lookup = `const { resolve4 } = require("node:dns").promises; resolve4("db.${NAMESPACE}.svc.cluster.local").then((all) => console.log(all.sort().join()))`;
  const listed = await cluster.exec("pod/client", NAMESPACE, "/nodemesh/node", "-e", lookup);
  const addresses = [await podNamed("db-0"), await podNamed("db-1")].map((db) => db.status?.podIP);
  assert.equal(listed.trim(), addresses.sort().join());
  assert.match(who(await askThroughMesh("http://db:8080/")).pod, /^db-[01]$/);
});

test("a Service without selector, whose endpoints a person wrote", async () => {
  const { status } = await podNamed("probed");
  await cluster.apply([
    service(NAMESPACE, "by-hand", { selector: undefined }),
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        namespace: NAMESPACE,
        name: "by-hand-1",
        labels: { "kubernetes.io/service-name": "by-hand" },
      },
      addressType: "IPv4",
      endpoints: [{ addresses: [status?.podIP], conditions: { ready: true } }],
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    },
  ]);
  await eventually(
    "it answers",
    async () => who(await askThroughMesh("http://by-hand/")).pod === "probed",
  );
});

test("an ExternalName", async () => {
  assert.equal(who(await askThroughMesh("http://elsewhere/")).service, "server");
});

test("cluster DNS over UDP and TCP names a Service", async () => {
  const script = `
import { Resolver } from "node:dns/promises";
import { readFileSync } from "node:fs";
const server = readFileSync("/etc/resolv.conf", "utf8").match(/nameserver (\\S+)/)[1];
const resolver = new Resolver();
resolver.setServers([server]);
const udp = await resolver.resolve4("server.${NAMESPACE}.svc.cluster.local");
const { connect } = await import("node:net");
const labels = "server.${NAMESPACE}.svc.cluster.local".split(".").flatMap((l) => [l.length, ...Buffer.from(l)]);
const query = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1];
const socket = connect(53, server, () => socket.write(Buffer.from([0, query.length, ...query])));
socket.once("data", (bytes) => { console.log(JSON.stringify({ udp, tcp: [...bytes.subarray(-4)].join(".") })); process.exit(0); });
`;
  const { spec } = await cluster.get<{ spec: { clusterIP: string } }>(
    "service",
    "server",
    "-n",
    NAMESPACE,
  );
  const node = ["/nodemesh/node", "--input-type=module", "-e", script];
  const answer = await cluster.exec("pod/client", NAMESPACE, ...node);
  assert.deepEqual(JSON.parse(answer), { udp: [spec.clusterIP], tcp: spec.clusterIP });
});

test("a pod asks the API server with its own token", async () => {
  const script =
    'cd /var/run/secrets/kubernetes.io/serviceaccount; exec curl -s -m 5 --cacert ca.crt -H "authorization: Bearer $(cat token)" https://kubernetes.default/api/v1/namespaces/zoo/pods';
  const answer = await cluster.exec("pod/client", NAMESPACE, "sh", "-c", script);
  assert.match(answer, /system:serviceaccount:zoo:default.*cannot list resource/);
});

test("a host's port, from the host and from an enrolled pod", async () => {
  const { status, spec } = await podNamed("probed");
  const node = spec?.nodeName ?? "";
  const other = node === "node1" ? "node2" : "node1";
  const url = `http://${status?.hostIP}:${HOST_PORT}/`;
  assert.equal(who(await cluster.inNode(other, ...curl(url))).pod, "probed");
  assert.equal(who(await ask(url)).pod, "probed");
});

test("exec with input", async () => {
  const kubectl = cluster.spec.programs["kubectl"] ?? "";
  const sent = "x".repeat(100_000);
  const echoed = await cluster.run(
    kubectl,
    ["-n", NAMESPACE, "exec", "-i", "pod/client", "--", "cat"],
    sent,
  );
  assert.equal(echoed, sent);
});

test("logs that follow", async () => {
  await cluster.kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "pod/talker");
  await using logs = cluster.running("-n", NAMESPACE, "logs", "-f", "--tail=1", "pod/talker");
  const [, first = ""] = await logs.says(/^said (\d+)$/m);
  await logs.says(new RegExp(`^said ${Number(first) + 3}$`, "m"));
});

test("a forwarded port", async () => {
  const args = ["-n", NAMESPACE, "port-forward", "pod/probed", ":8080"];
  await using forward = cluster.running(...args);
  const [, port] = await forward.says(/127\.0\.0\.1:(\d+)/);
  const answer = await fetch(`http://127.0.0.1:${port}/`, {
    headers: { connection: "close" },
    signal: AbortSignal.timeout(10_000),
  });
  assert.equal(who(await answer.text()).pod, "probed");
});

test("a pod on the host's network is left alone, and its Event says so", async () => {
  await eventually("an Event on it", async () => {
    const { items } = await cluster.get<KubeList<CoreV1Event>>("events", "-n", NAMESPACE);
    return items.some(
      ({ involvedObject, reason }) =>
        involvedObject.name === "on-the-host" && reason === "HostNetwork",
    );
  });
  const described = await cluster.kubectl("-n", NAMESPACE, "describe", "pod", "on-the-host");
  assert.match(described, /HostNetwork/);
  // By its address: such a pod asks the node's DNS, which knows no Service. An enrolled pod's call would be caught.
  const { spec } = await cluster.get<V1Service>("service", "server", "-n", NAMESPACE);
  const url = `http://${spec?.clusterIP}/`;
  await askThroughMesh(url);
  const base = await caught(cluster);
  const answer = await cluster.exec("pod/on-the-host", NAMESPACE, ...curl(url));
  assert.equal(who(answer).service, "server");
  assert.equal(await caught(cluster), base);
});
