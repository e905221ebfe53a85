/**
 * A node of a cluster: namespaces, cgroups, disk and network of its own, with containerd, kubelet and kube-proxy.
 * The node sees itself as a whole machine; must never change anything outside of its own disk and namespaces.
 *
 * This file: what lies on its disk before it starts, pure values.
 */

import { readdirSync } from "node:fs";
import type { Hierarchy } from "../cgroups.ts";
import { DNS_SERVICE, families, type NodePlan, POD_NET } from "../plan.ts";
import type { ClusterSpec } from "../spec.ts";

/** Name of the image that holds a pod's namespaces. */
export const PAUSE_IMAGE = "localhost/pause:1";
/** Where the node finds kubelet and kube-proxy. */
export const PROGRAMS = "/run/nodemesh-cluster";

/** Where the node's kubelet looks for static pods. */
export const STATIC_PODS = "/etc/kubernetes/manifests";

/** Machine-wide settings that kubelet writes: the node has files of its own in their place, the machine's stay. */
export const MASKED_SETTINGS: readonly string[] = [
  "vm/overcommit_memory",
  "vm/panic_on_oom",
  "kernel/panic",
  "kernel/panic_on_oops",
  "kernel/keys/root_maxkeys",
  "kernel/keys/root_maxbytes",
];

/** Text files below the node's /etc, by path. `ca` is the cluster's CA, `kubeconfigs` those of the node's programs. */
export function etcFiles(
  node: NodePlan,
  spec: ClusterSpec,
  pems: { readonly ca: string; readonly kubelet: string; readonly proxy: string },
): Readonly<Record<string, string>> {
  return {
    hostname: `${node.name}\n`,
    hosts: `127.0.0.1 localhost\n::1 localhost\n${node.address.v4} ${node.name}\n`,
    // Nothing outside of the cluster can be reached, so there is nobody to ask either.
    "resolv.conf": "",
    "containerd/config.toml": containerdConfig(),
    "kubernetes/ca.crt": pems.ca,
    "kubernetes/kubelet.kubeconfig": pems.kubelet,
    "kubernetes/kube-proxy.kubeconfig": pems.proxy,
    "kubernetes/kubelet.yaml": JSON.stringify(kubeletConfig(spec), undefined, 2),
    "kubernetes/kube-proxy.yaml": JSON.stringify(proxyConfig(node, spec), undefined, 2),
    "cni/net.d/10-pods.conflist": JSON.stringify(cniConfig(node, spec), undefined, 2),
  };
}

function containerdConfig(): string {
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0
disabled_plugins = [${["aufs", "btrfs", "zfs", "devmapper"].map((name) => `"io.containerd.snapshotter.v1.${name}"`).join(", ")}]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  # Without CAP_SYS_RESOURCE nobody may lower an OOM score.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
`;
}

function kubeletConfig(spec: ClusterSpec): unknown {
  const never = "0%";
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    failCgroupV1: false,
    cgroupDriver: "cgroupfs",
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    address: "0.0.0.0",
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: "/etc/kubernetes/ca.crt" },
    },
    authorization: { mode: "Webhook" },
    staticPodPath: STATIC_PODS,
    clusterDomain: "cluster.local",
    clusterDNS: families(DNS_SERVICE, spec.dualStack),
    resolvConf: "/etc/resolv.conf",
    oomScoreAdj: 0,
    failSwapOn: false,
    // The disk and memory are the machine's: how full they are is no matter of this cluster's.
    evictionHard: {
      "memory.available": never,
      "nodefs.available": never,
      "imagefs.available": never,
      "nodefs.inodesFree": never,
      "imagefs.inodesFree": never,
    },
    imageGCHighThresholdPercent: 100,
    nodeStatusUpdateFrequency: "4s",
    nodeLeaseDurationSeconds: 20,
    syncFrequency: "10s",
    serializeImagePulls: false,
    registerNode: true,
  };
}

function proxyConfig(node: NodePlan, spec: ClusterSpec): unknown {
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    mode: spec.proxyMode,
    hostnameOverride: node.name,
    clusterCIDR: families(POD_NET, spec.dualStack).join(","),
    clientConnection: { kubeconfig: "/etc/kubernetes/kube-proxy.kubeconfig" },
    // The size of the connection table belongs to the machine.
    conntrack: { maxPerCore: 0, min: 0 },
    bindAddress: "0.0.0.0",
  };
}

function cniConfig(node: NodePlan, { dualStack, chained }: ClusterSpec): unknown {
  const anywhere = { v4: "0.0.0.0/0", v6: "::/0" };
  return {
    cniVersion: "1.0.0",
    name: "pods",
    plugins: [
      {
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        ipMasq: false,
        hairpinMode: true,
        ipam: {
          type: "host-local",
          ranges: families(node.pods, dualStack).map((subnet) => [{ subnet }]),
          routes: families(anywhere, dualStack).map((dst) => ({ dst })),
        },
      },
      { type: "portmap", capabilities: { portMappings: true } },
      ...(chained ? [{ type: "tuning", sysctl: { "net.core.somaxconn": "512" } }] : []),
    ],
  };
}

/** What the boot script needs to know. */
export interface Boot {
  readonly node: NodePlan;
  /** The node's disk on the machine. */
  readonly disk: string;
  readonly hierarchies: readonly Hierarchy[];
  /** Program that becomes the node's process 1. */
  readonly init: string;
  /** Folder of kubelet and kube-proxy. */
  readonly programs: string;
}

/** Folders of a node's disk. */
export const DISK_FOLDERS: readonly string[] = [
  "etc/cni/net.d",
  "etc/containerd",
  "etc/kubernetes/manifests",
  "opt/cni/bin",
  "work-etc",
  "work-opt",
  "settings",
  "tmp",
  ...["containerd", "kubelet", "cni", "nodemesh"].map((name) => `var-lib/${name}`),
  ...["pods", "containers"].map((name) => `var-log/${name}`),
];

/** CNI plugins that Debian has, as links from the node's own folder: an agent may put its own beside them. */
export function cniPlugins(): readonly { readonly name: string; readonly target: string }[] {
  const folder = "/usr/lib/cni";
  return readdirSync(folder).map((name) => ({ name, target: `${folder}/${name}` }));
}

/**
 * The shell script that runs as process 1 in the node's new namespaces: it turns what it sees of the machine into
 * the node's own, and becomes `init`.
 */
export function bootScript({ node, disk, hierarchies, init, programs }: Boot): string {
  const hidden = MASKED_SETTINGS.map((setting) => {
    const own = `${disk}/settings/${setting.replaceAll("/", ".")}`;
    return `[ ! -e /proc/sys/${setting} ] || { cat /proc/sys/${setting} >${own}; mount --bind ${own} /proc/sys/${setting}; }`;
  });
  const overlay = (name: string) =>
    `mount -t overlay overlay -o lowerdir=/${name},upperdir=${disk}/${name},workdir=${disk}/work-${name} /${name}`;
  return `set -eu
mount --make-rprivate /
hostname ${node.name}
mount -t proc proc /proc
mount -t sysfs sysfs /sys
${cgroupMounts(hierarchies).join("\n")}
mount -t bpf bpf /sys/fs/bpf
${hidden.join("\n")}
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p ${PROGRAMS} /run/netns /run/lock
mount --bind ${programs} ${PROGRAMS}
cp ${init} /run/init
${overlay("etc")}
${overlay("opt")}
mount --bind ${disk}/tmp /tmp
mount --bind ${disk}/var-log /var/log
mount --bind ${disk}/var-lib /var/lib
mount -o remount,bind,ro /
mount --make-rshared /
ip link set lo up
exec /run/init
`;
}

/** Shell lines that mount them anew in a new cgroup namespace, so that each hierarchy's root is the process's own cgroup. */
export function cgroupMounts(hierarchies: readonly Hierarchy[]): readonly string[] {
  const top = "/sys/fs/cgroup";
  const split = hierarchies.some(({ point }) => point !== top);
  return [
    ...(split ? [`mount -t tmpfs -o mode=755 tmpfs ${top}`] : []),
    ...hierarchies.map(({ point, kind, options }) =>
      kind === "v2"
        ? `mkdir -p ${point}; mount -t cgroup2 cgroup2 ${point}`
        : `mkdir -p ${point}; mount -t cgroup -o ${options} cgroup ${point}`,
    ),
  ];
}
