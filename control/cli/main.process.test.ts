/** The command as a process: its exit codes, against a server that answers as an API server would. */

import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { stringify } from "yaml";
import { NODE } from "../../test/support/cli-facts.ts";
import { until } from "../../test/support/until.ts";

const MAIN = join(import.meta.dirname, "main.ts");
const TIMEOUT_MS = 60_000;

const folder = mkdtempSync(join(tmpdir(), "nodemesh-cli-"));
const kubeconfig = join(folder, "kubeconfig");

/** Whether the user may do everything, or nothing. */
let allowed = true;

/** Pods of namespace nodemesh, without labels: what a selector chooses is the API server's to say. */
let meshPods: readonly object[] = [];

function answerOf(path: string): unknown {
  const info = { operatingSystem: "linux", architecture: "amd64", kernelVersion: NODE.kernel };
  const conditions = [{ type: "Ready", status: "True" }];
  const answers: Readonly<Record<string, unknown>> = {
    "/version": { gitVersion: "v1.34.0" },
    "/api/v1/nodes": {
      items: [{ metadata: { name: "n1" }, status: { nodeInfo: info, conditions } }],
    },
    "/apis/apps/v1/daemonsets": { items: [] },
    "/api/v1/namespaces/nodemesh/pods": { items: meshPods },
    "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases": { items: [] },
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": { status: { allowed } },
  };
  const lists = /^\/(?:api\/v1|apis\/[^/]+\/[^/]+)\/(?:namespaces\/[^/]+\/)?[a-z]+$/;
  return answers[path] ?? (lists.test(path) ? { items: [] } : undefined);
}

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://server");
  const answer = answerOf(pathname);
  response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
  response.end(JSON.stringify(answer ?? { message: `${pathname} not found` }));
});

before(async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  // A TCP server's address is never a text.
  const { port } = server.address() as AddressInfo;
  writeFileSync(
    kubeconfig,
    stringify({
      clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}` } }],
      contexts: [{ name: "c", context: { cluster: "c" } }],
      "current-context": "c",
    }),
  );
});

after(() => {
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

function start(...args: readonly string[]): ChildProcessWithoutNullStreams {
  const env = { PATH: "/usr/bin:/bin", HOME: folder, KUBECONFIG: kubeconfig };
  return spawn(process.execPath, [MAIN, ...args], { env, timeout: TIMEOUT_MS });
}

function run(...args: readonly string[]): Promise<Ended> {
  const child = start(...args);
  const texts = { out: "", error: "" };
  child.stdout.on("data", (data: Buffer) => (texts.out += data.toString()));
  child.stderr.on("data", (data: Buffer) => (texts.error += data.toString()));
  const { promise, resolve } = Promise.withResolvers<Ended>();
  child.on("close", (code) => resolve({ code, ...texts }));
  return promise;
}

test("0: help, manifests, and a check without a failing line", async () => {
  allowed = true;
  const [help, install, check] = await Promise.all([
    run("--help"),
    run("install"),
    run("check", "--pre"),
  ]);
  assert.equal(help.code, 0);
  assert.match(help.out, /Usage: nodemesh/);
  assert.equal(install.code, 0);
  assert.match(install.out, /kind: DaemonSet/);
  assert.match(check.out, / 0 warnings, 0 failed/);
  assert.equal(check.code, 0);
});

test("1: a failing line, nothing installed, a kubeconfig that is not there", async () => {
  allowed = false;
  const [pre, check, status, lost, version] = await Promise.all([
    run("check", "--pre", "-o", "json"),
    run("check", "-n", "mesh"),
    run("status", "-A"),
    run("status", "--kubeconfig", join(folder, "absent")),
    run("version", "--kubeconfig", join(folder, "absent")),
  ]);
  const findings = JSON.parse(pre.out) as { findings: readonly { verdict: string }[] };
  assert.ok(findings.findings.some(({ verdict }) => verdict === "fail"));
  assert.equal(pre.code, 1);
  assert.match(check.out, /nodemesh install --namespace mesh \| kubectl apply -f -/);
  assert.equal(check.code, 1);
  assert.match(status.error, /^error: no pod of nodemesh is in namespace nodemesh: /);
  assert.equal(status.out, "");
  assert.equal(status.code, 1);
  assert.match(lost.error, /^error: kubeconfig \S*\/absent: ENOENT/);
  assert.equal(lost.code, 1);
  // What is known without a cluster is told all the same.
  assert.match(version.out, /^this command: \d+\.\d+\.\d+\n$/);
  assert.match(version.error, /^error: kubeconfig \S*\/absent: ENOENT/);
  assert.equal(version.code, 1);
});

/** What check --pre writes to a terminal: util-linux's script gives it one. */
async function onTerminal(env: Readonly<Record<string, string>>): Promise<string> {
  const command = `'${process.execPath}' '${MAIN}' check --pre`;
  const all = {
    PATH: "/usr/bin:/bin",
    HOME: folder,
    KUBECONFIG: kubeconfig,
    TERM: "xterm",
    ...env,
  };
  const child = spawn("script", ["-qec", command, "/dev/null"], { env: all, timeout: TIMEOUT_MS });
  child.stdin.end();
  return text(child.stdout);
}

test("verdicts have colours on a terminal, not with NO_COLOR and not in a pipe", async () => {
  allowed = true;
  const [coloured, plain, piped] = await Promise.all([
    onTerminal({}),
    onTerminal({ NO_COLOR: "1" }),
    run("check", "--pre"),
  ]);
  const green = String.fromCharCode(27) + "[32mpass";
  assert.ok(coloured.includes(green), coloured);
  for (const words of [plain, piped.out]) {
    assert.match(words, /^pass {2}API server/);
    assert.ok(!words.includes(String.fromCharCode(27)), words);
  }
});

test("status -w shows what is there, and again once it has changed, until it is ended", async () => {
  meshPods = [{ metadata: { name: "nodemesh-control-a" }, status: { phase: "Running" } }];
  const child = start("status", "-A", "-w");
  let out = "";
  child.stdout.on("data", (data: Buffer) => (out += data.toString()));
  const shown = (count: number): boolean => out.split("0 pods, 0 enrolled").length > count;
  try {
    await until("the first look", () => shown(1), TIMEOUT_MS);
    meshPods = meshPods.map((pod) => ({ ...pod, metadata: { name: "nodemesh-control-b" } }));
    await until("the changed one", () => shown(2), TIMEOUT_MS);
    const [, first = "", second = ""] = out.split("CONTROL ");
    assert.match(first, /\nnodemesh-control-a /);
    assert.match(second, /\nnodemesh-control-b /);
    assert.equal(child.exitCode, null);
  } finally {
    child.kill();
    meshPods = [];
  }
});

test("2: called wrongly", async () => {
  const ended = await Promise.all([
    run("nonsense"),
    run("check", "--nonsense"),
    run("check", "-o", "x"),
  ]);
  assert.deepEqual(
    ended.map(({ code }) => code),
    [2, 2, 2],
  );
  for (const { error } of ended) assert.match(error, /^error: /);
});
