/** A pod is caught by its agent before the API knows its address: as on a node where it is just being started. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ensureBpffs, unmountBpffs } from "ebpf-loader-wasm";
import { addAddress } from "../../agent/kernel/addresses.ts";
import { MeshBpf } from "../../agent/kernel/bpf.ts";
import { setLink } from "../../agent/kernel/links.ts";
import { openNetlink } from "../../agent/kernel/netlink.ts";
import { closeNetns, createNetns, deleteNetns, openNetns } from "../../agent/kernel/netns.ts";
import { DEFAULT_ENROLMENT } from "../../agent/model/enrolment.ts";
import { EMPTY_SNAPSHOT } from "../../agent/model/snapshot.ts";
import type { Workload } from "../../agent/model/workload.ts";
import { FakeUsers } from "../../agent/redirect/fakes.ts";
import { ProcLocator } from "../../agent/redirect/proc-locator.ts";
import { Redirect } from "../../agent/redirect/redirect.ts";
import { CgroupLab } from "../support/cgroup-lab.ts";
import { hierarchy, NodeCgroups } from "../support/node-cgroups.ts";
import { until } from "../support/until.ts";

const UID = "0a1b2c3d-0000-4111-8222-33334444bbbb";
const POD: Workload = {
  uid: UID,
  name: "early",
  namespace: "shop",
  owner: "early",
  serviceAccount: "default",
  node: "one",
  addresses: [],
  enrolment: DEFAULT_ENROLMENT,
  ports: [],
};

/** An agent's redirect on a node of its own, and a network namespace with an address, as a CNI plugin leaves it. */
function lab(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "nodemesh-early-"));
  const cgroup = new CgroupLab();
  cgroup.join();
  const bpffs = join(directory, "bpf");
  ensureBpffs(bpffs);
  const bpf = new MeshBpf({ pinDirectory: join(bpffs, "agent"), cgroup: cgroup.path });
  const node = new NodeCgroups(hierarchy(1) ?? hierarchy(2) ?? "", "cgroupfs");
  const locator = new ProcLocator({ proc: "/proc", cgroups: node.root });
  const redirect = new Redirect({
    ...{ node: "one", workers: 1, kernel: bpf, locator },
    users: new FakeUsers(),
  });
  t.after(async () => {
    await redirect.uninstall();
    locator[Symbol.dispose]();
    bpf.uninstall();
    await node[Symbol.asyncDispose]();
    cgroup[Symbol.dispose]();
    unmountBpffs(bpffs);
    deleteNetns(join(directory, "netns"));
    rmSync(directory, { recursive: true });
  });
  return { path: join(directory, "netns"), node, redirect };
}

function makeNetwork(path: string, addresses: readonly string[]): void {
  createNetns(path);
  const netns = openNetns(path);
  using netlink = openNetlink(netns);
  setLink(netlink, "lo", { up: true });
  for (const address of addresses) addAddress(netlink, { link: "lo", address });
  closeNetns(netns);
}

test("an expected pod is caught by the addresses of its namespace as soon as its sandbox stands", async (t) => {
  const { path, node, redirect } = lab(t);
  makeNetwork(path, ["169.254.9.9/32", "10.66.0.5/32", "fd66::5/128"]);
  await redirect.apply({ ...EMPTY_SNAPSHOT, workloads: new Map([[UID, POD]]) });
  assert.deepEqual(redirect.status(), [{ uid: UID, state: "out", detail: "no-such-pod" }]);
  await node.start(UID, { path });
  const started = performance.now();
  await until("the pod is caught", () => redirect.caught().length === 1, 2000);
  t.diagnostic(`caught ${(performance.now() - started).toFixed(0)} ms after its process ran`);
  assert.deepEqual(redirect.caught()[0]?.addresses, ["10.66.0.5", "fd66::5"]);
});

test("a namespace that lacks the pod's address is not touched, with a reason", async (t) => {
  const { path, node, redirect } = lab(t);
  makeNetwork(path, ["10.66.0.5/32"]);
  await node.start(UID, { path });
  const pod = { ...POD, addresses: ["10.66.0.6"] };
  await redirect.apply({ ...EMPTY_SNAPSHOT, workloads: new Map([[UID, pod]]) });
  assert.deepEqual(redirect.caught(), []);
  assert.match(
    redirect.status()[0]?.detail ?? "",
    /does not have its address 10\.66\.0\.6 \(it has/,
  );
});
