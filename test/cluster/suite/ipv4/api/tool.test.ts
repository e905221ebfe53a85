/** The cluster tool as a person calls it: what it prints, and its exit codes. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../../../support/source-files.ts";
import { TEST_CLUSTER, TestCluster } from "../../../harness/cluster.ts";
import { ENVIRONMENT } from "../../../processes.ts";
import type { ClusterStatus } from "../../../status.ts";

const USAGE = 2;

const cluster = new TestCluster();

/** What a call came to. */
interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Calls the tool for the test's cluster, as npm does for a user who is in the folder `from`. */
function tool(args: readonly string[], from: string = ROOT): Promise<Outcome> {
  const all = ["test/cluster/main.ts", "--name", TEST_CLUSTER, ...args];
  const options = { cwd: ROOT, env: { ...ENVIRONMENT, INIT_CWD: from }, timeout: 60_000 };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, all, options, (_error, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

test("status says what runs, for people and for programs", async () => {
  const text = await tool(["status"]);
  assert.equal(text.code, 0, text.err);
  assert.match(text.out, /^cluster test: up, API server ready, kube-proxy nftables$/m);
  assert.match(text.out, /^node1 +kubelet +process \d+ /m);
  const { out } = await tool(["status", "-o", "json"]);
  const status: ClusterStatus = JSON.parse(out);
  assert.equal(status.state, "up");
  assert.deepEqual(
    status.nodes.map(({ name }) => name),
    ["node1", "node2"],
  );
  assert.deepEqual(
    status.programs.filter(({ pid }) => pid === undefined),
    [],
  );
  assert.equal((await tool(["kubeconfig"])).out.trim(), cluster.paths.kubeconfig);
});

test("kubectl gets its arguments and its user's folder, and gives its exit code", async () => {
  const nodes = await tool(["kubectl", "get", "nodes", "-o", "name"]);
  assert.deepEqual(nodes, { code: 0, out: "node/node1\nnode/node2\n", err: "" });
  const absent = await tool(["kubectl", "get", "namespace", "no-such"]);
  assert.equal(absent.code, 1);
  assert.match(absent.err, /NotFound/);
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-tool-"));
  try {
    const object = { apiVersion: "v1", kind: "Namespace", metadata: { name: "from-a-file" } };
    writeFileSync(join(folder, "own.json"), JSON.stringify(object));
    const args = ["kubectl", "apply", "--dry-run=server", "-f", "own.json"];
    const applied = await tool(args, folder);
    assert.equal(applied.code, 0, applied.err);
    assert.match(applied.out, /^namespace\/from-a-file created \(server dry run\)$/m);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("node exec runs a command in a node, with its streams and its exit code", async () => {
  assert.deepEqual(await tool(["node", "exec", "node2", "hostname"]), {
    code: 0,
    out: "node2\n",
    err: "",
  });
  const failing = await tool(["node", "exec", "1", "sh", "-c", "echo why >&2; exit 7"]);
  assert.deepEqual(failing, { code: 7, out: "", err: "why\n" });
});

test("what can't be done is refused with the reason, and what is not understood as wrong usage", async () => {
  const cases: readonly (readonly [args: string, code: number, said: RegExp])[] = [
    ["node exec node9 true", 1, /there is no node "node9": node1, node2/],
    ["node start node1", 1, /node1 runs already.* node kill node1/],
    ["component start kubelet", 1, /say which \(kubelet node1\)/],
    ["component start etcd", 1, /etcd runs already/],
    ["status -o yaml", USAGE, /Allowed choices are text, json/],
    ["up --nodes 9", USAGE, /must be 1 to 8/],
    ["up --proxy-mode ipvs", USAGE, /Allowed choices are nftables, iptables/],
    ["node partition node1 soon", USAGE, /whole seconds/],
    ["node start", USAGE, /missing required argument/],
    ["frobnicate", USAGE, /unknown command/],
  ];
  const outcomes = await Promise.all(cases.map(([args]) => tool(args.split(" "))));
  for (const [i, [args, code, said]] of cases.entries()) {
    assert.equal(outcomes[i]?.code, code, `${args}: ${outcomes[i]?.err}`);
    assert.match(outcomes[i]?.err ?? "", said, args);
  }
  // Nothing of all that has touched the node.
  assert.equal((await tool(["node", "exec", "node1", "true"])).code, 0);
});
