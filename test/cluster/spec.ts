/**
 * test/cluster: a real Kubernetes cluster on this machine for tests: real etcd, kube-apiserver, kubelet, containerd
 * and runc, in network namespaces and cgroups of its own. May import everything; must never touch the machine's
 * own network (but for one link that it records), cgroups, mounts or settings.
 *
 * This file: what one cluster is, and where it keeps what. All of it carries one prefix, so that all of it can be
 * found and removed after a crash.
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

/** The prefix of everything that a cluster makes. */
export const PREFIX = "nodemesh-cluster";
/** A cluster's name becomes part of paths. */
export const NAME_PATTERN: RegExp = /^[a-z0-9][a-z0-9-]{0,30}$/;
/** The name when none is given. */
export const DEFAULT_NAME = "default";
/** Where all clusters keep their files: on a disk, because containerd's overlays need one. */
export const STATE_ROOT: string = join("/var/lib", PREFIX);

/** What a cluster was asked to be; written down before anything is made. */
export interface ClusterSpec {
  /** How many nodes. */
  readonly nodes: number;
  readonly proxyMode: "nftables" | "iptables";
  readonly dualStack: boolean;
  /** A chained plugin (tuning) in the CNI configuration. */
  readonly chained: boolean;
  /** An API audit log. */
  readonly audit: boolean;
  /** Whether nodes got the images of the checkout: agent, control and echo. */
  readonly images: boolean;
  /** Programs by name, absolute paths. */
  readonly programs: Readonly<Record<string, string>>;
  /** Which /30 the link to the machine's main network namespace has: see outsideLink of plan.ts. */
  readonly slot: number;
}

const SPEC: z.ZodType<ClusterSpec> = z.strictObject({
  nodes: z.int().min(1).max(8),
  proxyMode: z.enum(["nftables", "iptables"]),
  dualStack: z.boolean(),
  chained: z.boolean(),
  audit: z.boolean(),
  images: z.boolean(),
  programs: z.record(z.string(), z.string()),
  slot: z.int().min(0).max(8191),
});

/** What may be asked for, by the names of the options of `up`. */
const CHOICES = {
  nodes: "nodes",
  "proxy-mode": "proxyMode",
  "dual-stack": "dualStack",
  chained: "chained",
  audit: "audit",
  images: "images",
} as const;

/** What a user chooses of a cluster. */
export type Choices = Pick<ClusterSpec, (typeof CHOICES)[keyof typeof CHOICES]>;

/** In what a cluster is not as asked for: the option's name, with the cluster's value and the other one. */
export function differences(has: Choices, asked: Choices): readonly string[] {
  return Object.entries(CHOICES).flatMap(([option, key]) =>
    has[key] === asked[key] ? [] : [`${option} ${has[key]}, not ${asked[key]}`],
  );
}

/** Where one cluster keeps what. */
export interface ClusterPaths {
  readonly name: string;
  readonly root: string;
  /** The cluster's specification. */
  readonly spec: string;
  /** Exists once `up` has come to its end. */
  readonly ready: string;
  readonly pki: string;
  readonly etcd: string;
  /** What its programs wrote. */
  readonly logs: string;
  /** The nodes' disks. */
  readonly nodes: string;
  readonly config: string;
  readonly auditLog: string;
  /** For the machine's main network namespace. */
  readonly kubeconfig: string;
  /** The cluster's child of every cgroup hierarchy, relative to its root. */
  readonly cgroup: string;
  /** The link in the main network namespace (15 characters at most). */
  readonly link: string;
}

/** Environment with which kubectl reaches a cluster; what it remembers of the API goes with the cluster. */
export function kubectlEnvironment({
  kubeconfig,
  root,
}: ClusterPaths): Readonly<Record<string, string>> {
  return { KUBECONFIG: kubeconfig, KUBECACHEDIR: join(root, "kubectl-cache") };
}

/** The paths of the cluster of that name. */
export function clusterPaths(name: string): ClusterPaths {
  const root = join(STATE_ROOT, name);
  return {
    name,
    root,
    spec: join(root, "cluster.json"),
    ready: join(root, "ready"),
    pki: join(root, "pki"),
    etcd: join(root, "etcd"),
    logs: join(root, "logs"),
    nodes: join(root, "nodes"),
    config: join(root, "config"),
    auditLog: join(root, "logs", "audit.log"),
    kubeconfig: join(root, "kubeconfig"),
    cgroup: join(PREFIX, name),
    link: `nmc${createHash("sha256").update(name).digest("hex").slice(0, 10)}`,
  };
}

/** Reads a cluster's specification; throws with a next step when there is no such cluster. */
export function readSpec(paths: ClusterPaths): ClusterSpec {
  if (!existsSync(paths.spec))
    throw new Error(
      `there is no cluster "${paths.name}": npm run cluster -- --name ${paths.name} up`,
    );
  const parsed = SPEC.safeParse(JSON.parse(readFileSync(paths.spec, "utf8")));
  if (!parsed.success)
    throw new Error(
      `${paths.spec}: ${z.prettifyError(parsed.error)}; take the cluster down: npm run cluster -- --name ${paths.name} down`,
    );
  return parsed.data;
}
