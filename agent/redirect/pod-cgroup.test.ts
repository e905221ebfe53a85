import assert from "node:assert/strict";
import { test } from "node:test";
import { podsAround, podUidOfCgroups } from "./pod-cgroup.ts";

const UID = "0a1b2c3d-0000-4111-8222-333344445555";
const OTHER = "ffffffff-0000-4111-8222-333344445555";
const HASH = "0123456789abcdef0123456789abcdef";
const SYSTEMD = UID.replaceAll("-", "_");

const PODS: readonly (readonly [string, string, string])[] = [
  ["cgroupfs, v2", `0::/kubepods/burstable/pod${UID}/c1\n`, UID],
  ["cgroupfs, guaranteed", `0::/kubepods/pod${UID}/c1\n`, UID],
  [
    "systemd, v2",
    `0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${SYSTEMD}.slice/cri-containerd-c1.scope\n`,
    UID,
  ],
  [
    "systemd, guaranteed",
    `0::/kubepods.slice/kubepods-pod${SYSTEMD}.slice/crio-c1.scope/container\n`,
    UID,
  ],
  [
    "systemd below a cgroupRoot, as in kind",
    `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod${SYSTEMD}.slice/cri-containerd-c1.scope\n`,
    UID,
  ],
  [
    "systemd below a cgroupRoot of two, guaranteed",
    `0::/a.slice/a-my_root.slice/a-my_root-kubepods.slice/a-my_root-kubepods-pod${SYSTEMD}.slice/crio-c1.scope\n`,
    UID,
  ],
  [
    "kind, from outside its container",
    `0::/system.slice/docker-c9.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod${SYSTEMD}.slice/cri-containerd-c1.scope\n`,
    UID,
  ],
  ["kind, v1", `9:pids:/docker/c9/kubelet/kubepods/burstable/pod${UID}/c1\n0::/docker/c9\n`, UID],
  [
    "containerd's cgroupfs driver below a kubelet with systemd",
    `0::/system.slice/containerd.service/kubepods-burstable-pod${SYSTEMD}.slice:cri-containerd:c1\n`,
    UID,
  ],
  [
    "the same, below a cgroupRoot, v1",
    `3:cpu,cpuacct:/system.slice/containerd.service/kubelet-kubepods-pod${SYSTEMD}.slice:cri-containerd:c1\n`,
    UID,
  ],
  [
    "docker, systemd, v1",
    `4:memory:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${SYSTEMD}.slice/docker-c1.scope\n`,
    UID,
  ],
  [
    "crio, hybrid",
    `5:cpuset:/kubepods.slice/kubepods-pod${SYSTEMD}.slice/crio-c1.scope\n0::/system.slice/crio.service\n`,
    UID,
  ],
  ["v1", `12:pids:/kubepods/burstable/pod${UID}/c1\n1:name=systemd:/kubepods/pod${UID}/c1\n`, UID],
  ["hybrid", `12:pids:/node1/kubepods/burstable/pod${UID}/c1\n0::/node1\n`, UID],
  ["private namespace", `0::/../../burstable/pod${UID}/c1\n`, UID],
  ["private namespace, same class", `0::/../../pod${UID}/c1\n`, UID],
  ["private namespace, systemd", `0::/../../kubepods-burstable-pod${SYSTEMD}.slice/x.scope\n`, UID],
  ["static pod", `0::/kubepods/burstable/pod${HASH}/c1\n`, HASH],
  [
    "static pod, systemd below a cgroupRoot",
    `0::/kubelet.slice/kubelet-kubepods-burstable-pod${HASH}.slice/x.scope\n`,
    HASH,
  ],
  [
    "a pod's own folder named as another pod",
    `0::/kubepods.slice/kubepods-pod${SYSTEMD}.slice/crio-c1.scope/pod${OTHER}\n`,
    UID,
  ],
  [
    "a whole tree of pods in a pod's own cgroup",
    `0::/kubepods/besteffort/pod${UID}/c1/kubepods.slice/kubepods-pod${OTHER.replaceAll("-", "_")}.slice/x.scope\n`,
    UID,
  ],
  ["the same from a private namespace", `0::/../../burstable/pod${UID}/c1/pod${OTHER}\n`, UID],
  ["the same, as a static pod", `0::/kubepods/pod${UID}/c1/pod${HASH}\n`, UID],
  [
    "the same on v1, in one of the hierarchies",
    `9:pids:/kubepods/pod${UID}/c1/kubepods/pod${OTHER}/c2\n4:memory:/kubepods/pod${UID}/c1\n`,
    UID,
  ],
];

for (const [name, text, uid] of PODS)
  test(`the pod of a process is read: ${name}`, () => assert.equal(podUidOfCgroups(text), uid));

/** A node that runs in a pod of another cluster: what the cgroups of its first process and of another one say. */
const NODES_IN_PODS: readonly (readonly [string, string, string])[] = [
  [
    "systemd",
    `0::/kubepods.slice/kubepods-pod${OTHER.replaceAll("-", "_")}.slice/cri-containerd-c9.scope/init.scope\n`,
    `0::/kubepods.slice/kubepods-pod${OTHER.replaceAll("-", "_")}.slice/cri-containerd-c9.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${SYSTEMD}.slice/cri-containerd-c1.scope\n`,
  ],
  [
    "cgroupfs",
    `0::/kubepods/pod${OTHER}/c9\n`,
    `0::/kubepods/pod${OTHER}/c9/kubepods/burstable/pod${UID}/c1\n`,
  ],
  [
    "v1, some hierarchies shared",
    `9:pids:/kubepods/pod${OTHER}/c9\n0::/kubepods/pod${OTHER}/c9\n`,
    `9:pids:/kubepods/pod${OTHER}/c9/kubepods/pod${UID}/c1\n0::/kubepods/pod${OTHER}/c9\n`,
  ],
];

for (const [name, first, text] of NODES_IN_PODS)
  test(`a node in a pod of another cluster has pods of its own: ${name}`, () => {
    const around = podsAround(first);
    assert.equal(podUidOfCgroups(text, around), UID);
    assert.equal(podUidOfCgroups(text.replace("\n", `/pod${HASH}\n`), around), UID);
    assert.equal(podUidOfCgroups(first, around), undefined);
  });

const NOT_PODS = [
  `9:pids:/kubepods/pod${UID}/c1\n4:memory:/kubepods/pod${OTHER}/c1\n`,
  "",
  "0::/\n",
  "0::/system.slice/kubelet.service\n",
  "0::/kubepods/burstable\n",
  `0::/kubepods/burstable/pod${UID.slice(1)}/c1\n`,
  `0::/user/mypod${UID}/c1\n`,
  `0::/kubepods/pod${UID}x/c1\n`,
  `0::/user/my-pod${UID}/c1\n`,
  `0::/kubepods.slice/mykubepods-pod${SYSTEMD}.slice/c1\n`,
  `0::/kubepods/pod${UID}:cri-containerd:c1\n`,
  "0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice\n",
];

for (const text of NOT_PODS)
  test(`a process outside pods is none: ${JSON.stringify(text)}`, () =>
    assert.equal(podUidOfCgroups(text), undefined));
