import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ensureBpffs, load, parse, unmountBpffs } from "ebpf-loader-wasm";
import { MeshBpf } from "../../agent/kernel/bpf.ts";
import { isOnBpffs } from "../../agent/kernel/bpffs.ts";
import { NodeLock } from "../../agent/kernel/lock.ts";
import {
  closeNetns,
  createNetns,
  deleteNetns,
  netnsCookie,
  openNetns,
} from "../../agent/kernel/netns.ts";
import { CgroupLab } from "../support/cgroup-lab.ts";

const CONNECT = join(import.meta.dirname, "../../bpf/connect.bpf.o");
const POD = {
  flags: 1,
  device: 2,
  ipv4: { word: [0, 0, 0xffff0000, 1] },
  ipv6: { word: [0, 0, 0, 0] },
  settings: 3,
  listenerPort: 4,
};

/** A cgroup with this process in it, and a place for pins. */
function lab(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "nodemesh-bpf-"));
  const bpffs = join(directory, "bpf");
  ensureBpffs(bpffs);
  const cgroup = new CgroupLab();
  cgroup.join();
  t.after(() => {
    cgroup[Symbol.dispose]();
    unmountBpffs(bpffs);
    deleteNetns(join(directory, "netns"));
    rmSync(directory, { recursive: true });
  });
  return { directory, pinDirectory: join(bpffs, "agent"), cgroup: cgroup.path };
}

/** A network namespace and its descriptor. */
function namespace(directory: string) {
  const path = join(directory, "netns");
  createNetns(path);
  const netns = openNetns(path);
  const remove = (): void => {
    closeNetns(netns);
    deleteNetns(path);
  };
  return { netns, cookie: netnsCookie(netns), remove };
}

test("the next agent finds the maps as the last one left them", (t) => {
  const place = lab(t);
  {
    using first = new MeshBpf(place);
    first.maps.pods.set(7n, POD);
  }
  using second = new MeshBpf(place);
  assert.deepEqual([...second.maps.pods.entries()], [[7n, POD]]);
});

test("what an older agent did not have is added, and what it had stays", (t) => {
  const place = lab(t);
  {
    using first = new MeshBpf(place);
    first.maps.pods.set(7n, POD);
  }
  const pins = readdirSync(place.pinDirectory).sort();
  const added = pins.filter((pin) => /patience$/.test(pin));
  assert.equal(added.length, 3);
  for (const pin of added) unlinkSync(join(place.pinDirectory, pin));
  using second = new MeshBpf(place);
  assert.deepEqual([...second.maps.pods.entries()], [[7n, POD]]);
  assert.deepEqual(readdirSync(place.pinDirectory).sort(), pins);
});

test("one agent holds the pin directory: a second is refused with words, until the first has ended", (t) => {
  const place = lab(t);
  {
    using _first = new NodeLock(place.pinDirectory);
    assert.throws(() => new NodeLock(place.pinDirectory), /another agent serves this node/);
  }
  using _second = new NodeLock(place.pinDirectory);
});

test("without a BPF file system the agent refuses, says what to do on the node, and mounts none", (t) => {
  const place = lab(t);
  const pinDirectory = join(place.directory, "agent");
  const words = /is not on a BPF file system.*systemctl start sys-fs-bpf\.mount.*mount -t bpf bpf/;
  assert.throws(() => new NodeLock(pinDirectory), words);
  assert.throws(() => new NodeLock(join(place.directory, "none/agent")), words);
  assert.throws(() => new MeshBpf({ ...place, pinDirectory }), words);
  assert.equal(isOnBpffs(place.directory), false);
  assert.equal(isOnBpffs(join(place.directory, "bpf")), true);
  assert.ok(!existsSync(pinDirectory));
});

test("the next agent takes over attachments to namespaces that live, and forgets those that are gone", (t) => {
  const place = lab(t);
  const alive = namespace(place.directory);
  {
    using first = new MeshBpf(place);
    first.attachPod(alive.cookie, alive.netns);
    first.attachPod(alive.cookie, alive.netns);
  }
  {
    using second = new MeshBpf(place);
    assert.deepEqual(second.attachedPods(), [alive.cookie]);
  }
  alive.remove();
  using third = new MeshBpf(place);
  assert.deepEqual(third.attachedPods(), []);
  assert.deepEqual(
    readdirSync(place.pinDirectory).filter((pin) => pin.startsWith("pod-")),
    [],
  );
});

test("pins of another layout are replaced, and the lock holds: they belong to another version", (t) => {
  const place = lab(t);
  using first = new MeshBpf(place);
  first.uninstall();
  mkdirSync(place.pinDirectory);
  const spec = parse(readFileSync(CONNECT));
  load(spec, { pinDirectory: place.pinDirectory, maxEntries: { pods: 3 } })[Symbol.dispose]();
  using _lock = new NodeLock(place.pinDirectory);
  using second = new MeshBpf(place);
  assert.throws(() => new NodeLock(place.pinDirectory), /another agent serves this node/);
  for (let cookie = 1n; cookie <= 4n; cookie++) assert.ok(second.maps.pods.set(cookie, POD));
});

test("an agent outside the cgroup it attaches to is refused", (t) => {
  const place = lab(t);
  using other = new CgroupLab();
  assert.throws(() => new MeshBpf({ ...place, cgroup: other.path }), /must run inside the cgroup/);
});

test("attachments to another cgroup than before don't stay", (t) => {
  const place = lab(t);
  new MeshBpf(place)[Symbol.dispose]();
  const attachments = (): string[] =>
    readdirSync(place.pinDirectory).filter((pin) => pin.startsWith("cgroup-"));
  const before = attachments();
  using other = new CgroupLab();
  other.join();
  new MeshBpf({ ...place, cgroup: other.path })[Symbol.dispose]();
  assert.equal(before.length, 6);
  assert.equal(attachments().length, 6);
  assert.deepEqual(new Set(before).intersection(new Set(attachments())), new Set());
});

test("uninstalling removes every pin", (t) => {
  const place = lab(t);
  const pod = namespace(place.directory);
  const bpf = new MeshBpf(place);
  bpf.attachPod(pod.cookie, pod.netns);
  bpf.uninstall();
  pod.remove();
  assert.throws(() => readdirSync(place.pinDirectory), { code: "ENOENT" });
});
