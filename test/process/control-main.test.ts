import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { connectCleartext } from "../../agent/state/session.ts";
import { startAgent, Witness } from "../contract/control-link.ts";
import { until } from "../support/until.ts";
import { runControl, startControlProcess } from "./control-process.ts";

const POD = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "a", namespace: "shop", uid: "u1", annotations: { "mesh/enabled": "true" } },
  spec: { nodeName: "n1", containers: [] },
  status: { phase: "Running", podIPs: [{ ip: "10.1.0.2" }] },
};

test("a manifest reaches an agent's store, control shows it, and SIGTERM ends it with 0", async () => {
  await using control = await startControlProcess();
  await control.logged("ready");
  assert.deepEqual(await control.ask("/ready"), { status: 200, body: "ready\n" });
  const witness = new Witness();
  await using agent = startAgent(0, witness, {
    connect: () => connectCleartext({ kind: "unix", path: control.listen }),
  });
  agent.store.subscribe(() => witness.changed());
  await control.put("pod.json", POD);
  await witness.until("the pod", () => agent.store.current.workloads.has("u1"));
  // The ack is on its way when the store has the pod, and nobody answers it.
  await until("control has the ack of the pod's version", async () => {
    const [state] = (await control.ask("/agents")) as { acked?: { version: number } }[];
    return state?.acked?.version === agent.store.current.version;
  });
  const shown = (await control.ask("/snapshot")) as { workloads: object };
  assert.deepEqual(Object.keys(shown.workloads), ["u1"]);
  const broken = { ...POD.metadata, annotations: { "mesh/enabled": "tru" } };
  await control.put("pod.json", { ...POD, metadata: broken });
  await control.logged("condition");
  const [condition] = (await control.ask("/conditions")) as { reason: string }[];
  assert.equal(condition?.reason, "malformed-annotation");
  const { metrics } = (await control.logged("ready")) as { metrics: string };
  const page = await (await fetch(`http://${metrics}/metrics`)).text();
  assert.match(page, /^nodemesh_control_agents\{state="current"\} 1$/m);
  assert.match(page, /^nodemesh_control_conditions\{reason="malformed-annotation"\} 1$/m);
  const status = await (await fetch(`http://${metrics}/status`)).json();
  assert.deepEqual((status as { resources: unknown }).resources, [], "there is no API to follow");
  assert.equal(await control.stop(), 0);
});

test("wrong flags end with 2 and say which", async () => {
  const { code, errors } = await runControl(["--manifests", "x", "--listen", "nowhere"]);
  assert.equal(code, 2);
  assert.match(errors, /--listen.*expected HOST:PORT/);
});

test("a directory that does not exist ends with 1 and its name", async () => {
  const { code, errors } = await runControl(["--manifests", "/no/such", "--listen", "127.0.0.1:0"]);
  assert.equal(code, 1);
  assert.match(errors, /nodemesh-control: .*\/no\/such/);
});

test("a port in use ends with 1 and says what to do", async () => {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const flags = ["--manifests", import.meta.dirname, "--listen", `127.0.0.1:${port}`];
  const { code, errors } = await runControl(flags);
  server.close();
  assert.equal(code, 1);
  assert.match(errors, /can't listen on 127\.0\.0\.1:\d+: another process uses the port/);
});
