import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRoot } from "./requirements.ts";
import { type Choices, clusterPaths, differences, kubectlEnvironment } from "./spec.ts";

const PLAIN: Choices = {
  nodes: 2,
  proxyMode: "nftables",
  dualStack: false,
  chained: false,
  audit: true,
  images: true,
};

test("a cluster that is as asked for has no differences, another names each by its option", () => {
  assert.deepEqual(differences(PLAIN, { ...PLAIN }), []);
  const other: Choices = { ...PLAIN, nodes: 3, proxyMode: "iptables", dualStack: true };
  assert.deepEqual(differences(PLAIN, other), [
    "nodes 2, not 3",
    "proxy-mode nftables, not iptables",
    "dual-stack false, not true",
  ]);
  for (const key of ["chained", "audit", "images"] as const)
    assert.equal(differences(PLAIN, { ...PLAIN, [key]: !PLAIN[key] }).length, 1, key);
});

test("what kubectl remembers lies in the cluster's own folder", () => {
  const paths = clusterPaths("some");
  const { KUBECONFIG, KUBECACHEDIR } = kubectlEnvironment(paths);
  assert.equal(KUBECONFIG, paths.kubeconfig);
  assert.ok(KUBECACHEDIR?.startsWith(`${paths.root}/`));
});

test("who is not root is told what to do", () => {
  checkRoot(0);
  assert.throws(() => checkRoot(1000), /needs root.*sudo/);
});
