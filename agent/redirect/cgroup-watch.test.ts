import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CgroupWatch } from "./cgroup-watch.ts";

const UID = "0a1b2c3d_0000_4111_8222_333344445555";

/** Where pods come, and the pod's own directory. inotify is the same on every file system. */
const TREES: readonly (readonly [string, string, string])[] = [
  ["cgroupfs, v2", "kubepods/burstable", `pod${UID.replaceAll("_", "-")}`],
  ["cgroupfs, v1", "pids/kubepods/besteffort", `pod${UID.replaceAll("_", "-")}`],
  ["systemd", "kubepods.slice/kubepods-burstable.slice", `kubepods-burstable-pod${UID}.slice`],
  [
    "systemd below a cgroupRoot",
    "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice",
    `kubelet-kubepods-burstable-pod${UID}.slice`,
  ],
  [
    "kind, from outside its container",
    "docker/c9/kubelet.slice/kubelet-kubepods.slice",
    `kubelet-kubepods-pod${UID}.slice`,
  ],
];

for (const [name, holder, pod] of TREES)
  test(`a pod's directory and what appears in it are told: ${name}`, async (t) => {
    const root = mkdtempSync(join(tmpdir(), "nodemesh-watch-"));
    t.after(() => rmSync(root, { recursive: true }));
    mkdirSync(join(root, holder), { recursive: true });
    const events = new EventEmitter();
    using watch = new CgroupWatch(root, () => events.emit("change"));
    const told = (): Promise<unknown> =>
      once(events, "change", { signal: AbortSignal.timeout(5000) });
    watch.start();
    assert.ok(watch.watching);

    let next = told();
    mkdirSync(join(root, holder, pod));
    await next;
    next = told();
    mkdirSync(join(root, holder, pod, "c1"));
    await next;
  });

test("directories beside those of pods are not watched", (t) => {
  const root = mkdtempSync(join(tmpdir(), "nodemesh-watch-"));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "system.slice/kubelet.service"), { recursive: true });
  using watch = new CgroupWatch(root, () => undefined);
  watch.start();
  assert.equal(watch.watching, false);
});
