/** Processes of the simulator: what exec passes on, logs that follow, containers that crash, supervisors that die. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { SimLab } from "../support/sim-lab.ts";
import { until } from "../support/until.ts";

const MANIFESTS = `
apiVersion: v1
kind: Pod
metadata: { name: home, labels: { app: home } }
spec: { terminationGracePeriodSeconds: 0, containers: [{ name: main, command: [sleep, infinity] }] }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: everywhere }
spec:
  selector: { matchLabels: { app: everywhere } }
  template:
    metadata: { labels: { app: everywhere } }
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: main, command: [sleep, infinity] }] }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: row }
spec:
  replicas: 3
  selector: { matchLabels: { app: row } }
  template:
    metadata: { labels: { app: row } }
    spec: { terminationGracePeriodSeconds: 0, containers: [{ name: main, command: [sleep, infinity] }] }
`;

let lab: SimLab;

before(async () => {
  lab = await SimLab.start("sim-processes", MANIFESTS, "--no-mesh");
});

after(() => lab[Symbol.asyncDispose]());

interface ListedPod {
  readonly name: string;
  readonly node: string;
  readonly ready: boolean;
  readonly restarts: number;
  readonly phase: string;
}

async function podsOf(prefix: string): Promise<readonly ListedPod[]> {
  const { pods } = JSON.parse(await lab.sim("status", "-o", "json")) as {
    readonly pods: readonly ListedPod[];
  };
  return pods.filter(({ name }) => name.startsWith(prefix));
}

test("exec gives the program's exit code, input and words", async () => {
  assert.equal((await lab.run("exec", "home", "--", "sh", "-c", "exit 7")).code, 7);
  assert.equal((await lab.run("exec", "home", "--", "sh", "-c", "kill -9 $$")).code, 137);
  assert.equal((await lab.run("exec", "home", "--", "no-such-program")).code, 127);
  assert.equal(await lab.exec("home", "hostname"), "home");
  const child = lab.spawn("exec", "-i", "home", "--", "wc", "-c");
  child.stdin.end("12345");
  assert.equal((await text(child.stdout)).trim(), "5");
});

for (const [signal, code] of [
  ["SIGTERM", 143],
  ["SIGINT", 130],
  ["SIGHUP", 129],
] as const)
  test(`${signal} to exec ends the program and exec itself`, async () => {
    const child = lab.spawn("exec", "home", "--", "sh", "-c", "echo $$; exec sleep 300");
    const [said] = await once(child.stdout, "data");
    const program = `/proc/${String(said).trim()}`;
    assert.ok(existsSync(program));
    child.kill(signal);
    assert.deepEqual(await once(child, "exit"), [code, null]);
    assert.ok(!existsSync(program) || readFileSync(`${program}/stat`, "utf8").includes(") Z"));
  });

test("a StatefulSet counts its pods, a DaemonSet has one on each node", async () => {
  assert.deepEqual(
    (await podsOf("row-")).map(({ name }) => name),
    ["row-0", "row-1", "row-2"],
  );
  await lab.sim("scale", "sts/row", "--replicas=1");
  await until("the highest go first", async () => (await podsOf("row-")).length === 1);
  assert.equal((await podsOf("row-"))[0]?.name, "row-0");
  const nodes = (await podsOf("everywhere")).map(({ node }) => node).sort();
  assert.deepEqual(nodes, ["node-1", "node-2"]);
});

test("a killed pod's container starts again, and its log goes on under -f", async () => {
  await lab.apply(`
apiVersion: v1
kind: Pod
metadata: { name: chatty }
spec:
  terminationGracePeriodSeconds: 0
  containers: [{ name: main, command: [sh, -c, "echo one; echo two; echo begun; exec sleep 300"] }]
`);
  await lab.sim("wait", "--for=condition=Ready", "pod/chatty");
  await until("it spoke", async () => (await lab.sim("logs", "chatty")).endsWith("begun\n"));
  assert.equal(await lab.sim("logs", "chatty", "--tail=2"), "two\nbegun\n");
  const follower = lab.spawn("logs", "-f", "--tail=1", "pod/chatty");
  let heard = "";
  follower.stdout.on("data", (piece: Buffer) => {
    heard += piece;
  });
  await until("the follower heard the last line", () => heard === "begun\n");
  await lab.sim("kill", "pod", "chatty");
  await until("it is restarted", async () => (await podsOf("chatty"))[0]?.restarts === 1);
  await lab.sim("wait", "--for=condition=Ready", "pod/chatty");
  await until("it spoke again", async () =>
    (await lab.sim("logs", "chatty")).endsWith("begun\none\ntwo\nbegun\n"),
  );
  await until("the follower heard all of it", () => heard === "begun\none\ntwo\nbegun\n");
  const ended = once(follower, "exit");
  await lab.sim("delete", "pod", "chatty");
  assert.deepEqual(await ended, [0, null]);
});

test("a liveness probe restarts a container that ignores SIGTERM", async () => {
  await lab.apply(`
apiVersion: v1
kind: Pod
metadata: { name: deaf }
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      command: [sh, -c, "trap '' TERM; while :; do sleep 1; done"]
      livenessProbe: { exec: { command: ["false"] }, periodSeconds: 1, failureThreshold: 1 }
`);
  await until(
    "it was restarted",
    async () => ((await podsOf("deaf"))[0]?.restarts ?? 0) > 0,
    15_000,
  );
  await lab.sim("delete", "pod", "deaf", "--grace-period=0");
});

test("preStop runs before SIGTERM, within the grace period", async () => {
  await lab.apply(`
apiVersion: v1
kind: Pod
metadata: { name: polite }
spec:
  terminationGracePeriodSeconds: 10
  containers:
    - name: main
      command: [sh, -c, "trap 'echo told; exit 0' TERM; while :; do sleep 0.1; done"]
      lifecycle: { preStop: { exec: { command: [sleep, "1"] } } }
`);
  await lab.sim("wait", "--for=condition=Ready", "pod/polite");
  const started = performance.now();
  await lab.sim("delete", "pod", "polite");
  const took = performance.now() - started;
  assert.ok(took > 1_000 && took < 8_000, `${took} ms`);
});

test("a Job runs to completion, its pods stay to be read", async () => {
  await lab.apply(`
apiVersion: batch/v1
kind: Job
metadata: { name: sum }
spec:
  completions: 2
  template:
    spec: { restartPolicy: Never, containers: [{ name: main, command: [echo, "done"] }] }
`);
  await lab.sim("wait", "--for=condition=Complete", "job/sum", "--timeout=15s");
  assert.equal((await podsOf("sum-")).filter(({ phase }) => phase === "Succeeded").length, 2);
  assert.equal(await lab.sim("logs", "job/sum"), "done\n");
  await lab.sim("delete", "job", "sum");
  await until("its pods go with it", async () => (await podsOf("sum-")).length === 0);
});

test("one invalid object costs the others nothing; a namespace goes with its contents", async () => {
  const { code, stdout, stderr } = await lab.apply(`
apiVersion: v1
kind: Namespace
metadata: { name: corner }
---
apiVersion: v1
kind: Pod
metadata: { name: wrong, namespace: corner }
spec: { containers: [] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: fine, namespace: corner }
`);
  assert.equal(code, 1);
  assert.match(stdout, /namespace\/corner created\nconfigmap\/fine created/);
  assert.match(stderr, /pod\/wrong is invalid: spec\.containers must hold/);
  await lab.sim("delete", "ns", "corner");
  assert.equal((await lab.run("get", "cm", "fine", "-n", "corner")).code, 1);
  assert.match((await lab.run("delete", "ns", "default")).stderr, /can't be deleted/);
});

test("a second supervisor is refused; after a SIGKILL the next one cleans up", async () => {
  const second = await lab.run("up", "--detach", "--no-mesh");
  assert.equal(second.code, 1);
  assert.match(second.stderr, /is running already \(pid \d+\)/);
  const pid = Number(/pid (\d+)/.exec(second.stderr)?.[1]);
  process.kill(pid, "SIGKILL");
  await until("it is gone", async () => (await lab.run("get", "pods")).code !== 0);
  const { stderr } = await lab.run("up", "--detach", "--no-mesh", "--nodes", "1");
  assert.match(stderr, /removed what an earlier run left/);
  assert.match(stderr, /ready; end it with: nodemesh sim --name sim-processes down/);
  await lab.sim("down");
  assert.match((await lab.run("down")).stderr, /nothing was running/);
});
