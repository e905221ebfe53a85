/** Rolling replacement, scaling and probes with the real mesh: nobody's request is lost. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { MeshLab } from "../support/mesh-lab.ts";
import { SimLab } from "../support/sim-lab.ts";
import { until } from "../support/until.ts";

const LOAD: string = fileURLToPath(new URL("../../deploy/demo/load-main.ts", import.meta.url));

function deployment(version: string): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: order }
spec:
  replicas: 3
  strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }
  selector: { matchLabels: { app: order } }
  template:
    metadata: { labels: { app: order }, annotations: { mesh/enabled: "true" } }
    spec:
      terminationGracePeriodSeconds: 10
      containers:
        - name: order
          image: nodemesh/echo
          ports: [{ name: http, containerPort: 8080 }]
          readinessProbe: { httpGet: { path: /healthz, port: http }, periodSeconds: 1 }
          env: [{ name: SERVICE, value: "${version}" }]
---
apiVersion: v1
kind: Service
metadata: { name: order }
spec: { selector: { app: order }, ports: [{ name: http, port: 80, targetPort: http }] }
`;
}

const CLIENT = `
---
apiVersion: v1
kind: Pod
metadata: { name: client, annotations: { mesh/enabled: "true" } }
spec: { terminationGracePeriodSeconds: 0, containers: [{ name: main, command: [sleep, infinity] }] }
`;

let mesh: MeshLab;
let lab: SimLab;

before(async () => {
  mesh = await MeshLab.start("sim-rollout", deployment("one") + CLIENT);
  lab = SimLab.of(mesh.name);
});

after(() => mesh[Symbol.asyncDispose]());

interface Load {
  readonly ok: number;
  readonly failed: number;
  readonly errors: Readonly<Record<string, number>>;
}

/** Requests at 50 a second while `work` runs; what came of them. */
async function underLoad(work: () => Promise<void>): Promise<Load> {
  const command = [process.execPath, LOAD, "http://order/", "50"];
  const child = lab.spawn("exec", "client", "--", ...command);
  const said = text(child.stdout);
  const ended = once(child, "exit");
  await work();
  child.stdin.end();
  await ended;
  const reports = (await said)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Load);
  return {
    ok: reports.reduce((sum, one) => sum + one.ok, 0),
    failed: reports.reduce((sum, one) => sum + one.failed, 0),
    errors: Object.assign({}, ...reports.map(({ errors }) => errors)),
  };
}

interface Rollout {
  readonly status: {
    readonly updatedReplicas: number;
    readonly replicas: number;
    readonly readyReplicas: number;
  };
}

test("a rolling replacement loses no request and never has fewer than all ready", async () => {
  const seen: number[] = [];
  const result = await underLoad(async () => {
    const applied = await lab.apply(deployment("two"));
    assert.equal(applied.code, 0, applied.stderr);
    await until(
      "all pods are new",
      async () => {
        const { status } = JSON.parse(
          await lab.sim("get", "deploy/order", "-o", "json"),
        ) as Rollout;
        seen.push(status.readyReplicas);
        return status.updatedReplicas === 3 && status.replicas === 3 && status.readyReplicas === 3;
      },
      40_000,
    );
    await lab.sim("wait");
  });
  assert.deepEqual([result.failed, result.errors], [0, {}]);
  assert.ok(result.ok > 50, `${result.ok} requests`);
  assert.ok(Math.min(...seen) >= 3, `ready: ${seen.join(" ")}`);
});

test("scaling up and down loses no request", async () => {
  const result = await underLoad(async () => {
    for (const replicas of ["5", "2"]) {
      await lab.sim("scale", `--replicas=${replicas}`, "deploy/order");
      await lab.sim("wait");
    }
  });
  assert.deepEqual([result.failed, result.errors], [0, {}]);
  assert.ok(result.ok > 20, `${result.ok} requests`);
});

test("a node's probes enter enrolled pods through the agent; status says what it does with each pod", async () => {
  const before = await mesh.kernel("node-1", "inbound-caught");
  await until(
    "probes are caught",
    async () => (await mesh.kernel("node-1", "inbound-caught")) > before,
    10_000,
  );
  const paths = async () =>
    (JSON.parse(await lab.sim("status", "-o", "json")) as PathStatus).pods
      .filter(({ node }) => node === "node-1")
      .map(({ path, ready }) => `${path} ${ready ? "ready" : "not ready"}`);
  assert.deepEqual(new Set(await paths()), new Set(["proxy ready"]));
  await lab.sim("kill", "agent/node-1", "--stay-dead");
  assert.deepEqual(new Set(await paths()), new Set(["unknown ready"]));
  await lab.sim("revive", "agent/node-1");
  await lab.sim("wait");
  assert.deepEqual(new Set(await paths()), new Set(["proxy ready"]));
});

interface PathStatus {
  readonly pods: readonly {
    readonly node: string;
    readonly path: string;
    readonly ready: boolean;
  }[];
}
