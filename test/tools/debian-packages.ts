/**
 * Debian packages that tests, CI and benches run besides Node and npm: the one list, and the code that
 * installs what is missing. The product itself needs none of them.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";

/**
 * Who needs a package: `test` = npm test, `ci` = rebuilding BPF objects and the loader's corpus, `bench` = npm run
 * bench, `sim` = nodemesh sim up --prometheus, `cluster` = a test cluster of real Kubernetes nodes (npm run cluster, npm run test:cluster), `image` =
 * npm run image, which copies files of theirs.
 */
export type Need = "test" | "ci" | "bench" | "sim" | "cluster" | "image";

/** One package that some run needs. */
export interface DebianPackage {
  readonly name: string;
  /** A file the package installs: it is there, the package is there. */
  readonly probe: string;
  readonly needs: readonly Need[];
  /** Why, in words for the person who sees it being installed. */
  readonly why: string;
}

/** Every Debian package that this checkout's own programs run. */
export const DEBIAN_PACKAGES: readonly DebianPackage[] = [
  pack(
    "curl",
    "/usr/bin/curl",
    ["test", "bench", "cluster", "image"],
    "an ordinary HTTP client inside pods",
  ),
  pack(
    "wrk",
    "/usr/bin/wrk",
    ["test", "bench", "cluster"],
    "an ordinary load generator inside pods",
  ),
  pack("nginx", "/usr/sbin/nginx", ["test", "bench"], "an ordinary HTTP server inside pods"),
  pack(
    "busybox-static",
    "/bin/busybox",
    ["test", "cluster", "image"],
    "a statically linked client",
  ),
  pack("binutils", "/usr/bin/strip", ["test", "cluster", "image"], "strips the Node of the images"),
  pack(
    "bpftool",
    "/usr/sbin/bpftool",
    ["test", "ci", "cluster"],
    "a second opinion on what is loaded",
  ),
  pack(
    "prometheus",
    "/usr/bin/prometheus",
    ["test", "sim"],
    "scrapes and asks as an operator's does",
  ),
  pack(
    "python3-prometheus-client",
    "/usr/lib/python3/dist-packages/prometheus_client/openmetrics/parser.py",
    ["test"],
    "reads OpenMetrics strictly",
  ),
  pack("zsh", "/usr/bin/zsh", ["test"], "a shell that completes nodemesh's commands"),
  pack("fish", "/usr/bin/fish", ["test"], "another one"),
  pack("haproxy", "/usr/sbin/haproxy", ["bench"], "a peer of the bench"),
  pack("python3-venv", "/usr/share/doc/python3-venv", ["bench"], "a place to install Envoy into"),
  pack("clang-19", "/usr/bin/clang-19", ["ci"], "the pinned compiler of the BPF objects"),
  pack("llvm-19", "/usr/bin/llvm-strip-19", ["ci"], "the pinned strip of the BPF objects"),
  pack(
    "libbpf-dev",
    "/usr/include/bpf/bpf_helpers.h",
    ["ci"],
    "BPF headers, and libbpf to compare with",
  ),
  pack("linux-libc-dev", "/usr/include/linux/bpf.h", ["ci"], "kernel headers of the BPF programs"),
  pack(
    "gcc",
    "/usr/bin/gcc",
    ["ci", "cluster"],
    "builds the corpus's libbpf reference and the cluster's pause program",
  ),
  pack("libc6-dev", "/usr/include/stdio.h", ["ci", "cluster"], "C headers of those programs"),
  pack(
    "linux-source-6.12",
    "/usr/src/linux-source-6.12.tar.xz",
    ["ci"],
    "the kernel's BPF self-tests, the loader's corpus",
  ),
  pack("xz-utils", "/usr/bin/xz", ["ci"], "unpacks the kernel source"),
  // etcd for the bench of scale too: it runs a control plane without nodes.
  pack("etcd-server", "/usr/bin/etcd", ["bench", "cluster"], "the API server's database"),
  pack("containerd", "/usr/bin/containerd", ["cluster"], "runs the pods of a node"),
  pack("runc", "/usr/sbin/runc", ["cluster"], "makes containerd's containers"),
  pack(
    "containernetworking-plugins",
    "/usr/lib/cni/bridge",
    ["cluster"],
    "gives pods their network namespace and address",
  ),
  pack("iproute2", "/sbin/ip", ["test", "cluster"], "sets up network namespaces"),
  pack("iptables", "/usr/sbin/iptables", ["cluster"], "kube-proxy in iptables mode, hostPort"),
  pack("nftables", "/usr/sbin/nft", ["cluster"], "kube-proxy in nftables mode"),
  pack("conntrack", "/usr/sbin/conntrack", ["cluster"], "kube-proxy forgets UDP flows with it"),
  pack("socat", "/usr/bin/socat", ["cluster"], "kubectl port-forward"),
  pack("ethtool", "/usr/sbin/ethtool", ["cluster"], "kubelet looks at interfaces with it"),
];

function pack(name: string, probe: string, needs: readonly Need[], why: string): DebianPackage {
  return { name, probe, needs, why };
}

/**
 * Installs what `need` asks for and this machine lacks, saying what and why; silent when nothing is missing.
 * Throws an Error with the next step when it can't (no root, no apt-get, or apt-get failed).
 */
export function ensurePackages(need: Need, say: (line: string) => void): void {
  const missing = DEBIAN_PACKAGES.filter((p) => p.needs.includes(need) && !existsSync(p.probe));
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name);
  for (const { name, why } of missing) say(`installing Debian's ${name}: ${why}`);
  if (!existsSync("/usr/bin/apt-get"))
    throw new Error(
      `no apt-get here: install by hand what these packages hold: ${names.join(" ")}`,
    );
  if (process.getuid?.() !== 0)
    throw new Error(`not root: run "apt-get install ${names.join(" ")}" as root once`);
  withoutStartingServices(() => install(names));
  const still = missing.filter(({ probe }) => !existsSync(probe));
  if (still.length > 0)
    throw new Error(`installed, but not found: ${still.map(({ probe }) => probe).join(", ")}`);
}

/** apt-get install, after apt-get update only when no package list is here or the first try fails. */
function install(names: readonly string[]): void {
  const hasLists = readdirSync("/var/lib/apt/lists").some((file) => file.includes("_Packages"));
  if (hasLists && aptGet(["install", "-y", "--no-install-recommends", ...names])) return;
  aptGet(["update"]);
  if (!aptGet(["install", "-y", "--no-install-recommends", ...names]))
    throw new Error(`apt-get install ${names.join(" ")} failed; its messages are above`);
}

function aptGet(args: readonly string[]): boolean {
  const done = spawnSync("apt-get", ["-qq", "-o", "Dpkg::Use-Pty=0", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    encoding: "utf8",
  });
  if (done.status !== 0) process.stderr.write(`${done.stdout}${done.stderr}`);
  return done.status === 0;
}

/** Runs `work` while Debian's packages may not start their services (nginx would take port 80 of this machine). */
function withoutStartingServices(work: () => void): void {
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    work();
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}
