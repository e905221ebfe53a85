/** What only a process on the node knows, for `nodemesh check` and `status`: the page /facts of the metrics port. */

import { existsSync } from "node:fs";
import { release } from "node:os";
import { dirname } from "node:path";
import type { AgentConfig } from "./config.ts";
import { isOnBpffs } from "./kernel/bpffs.ts";
import { resolveCgroup } from "./kernel/cgroup.ts";
import { type KernelFeatures, kernelFeatures } from "./kernel/features.ts";
import type { PodStatus } from "./redirect/redirect.ts";
import type { SnapshotStore } from "./state/store.ts";

/** The page. Nothing in it is secret: it is served to whoever reaches the metrics. */
export interface AgentFacts {
  /** As `uname -r` says. */
  readonly kernel: string;
  /** The node's clock, RFC 3339. */
  readonly time: string;
  /** The cgroup v2 directory where connects are seen. */
  readonly cgroup: string;
  /** Whether the kernel tells its types (BTF). */
  readonly btf: boolean;
  /** Whether pins are on a BPF file system. */
  readonly bpffs: boolean;
  readonly ipv6: boolean;
  /** What the programs need of the kernel, as tried at the start. */
  readonly features: KernelFeatures;
  /** `epoch`: of which replica of control; versions compare within one only. Empty before the first. */
  readonly snapshot: {
    readonly epoch: string;
    readonly version: number;
    readonly ageSeconds: number;
  };
  /** Pods that are or shall be in the mesh. */
  readonly pods: readonly PodStatus[];
}

/** Inputs of readFacts(). */
export interface FactsInputs {
  readonly config: Pick<AgentConfig, "cgroup" | "proc" | "pinDirectory">;
  readonly store: SnapshotStore;
  readonly redirect: { status(): readonly PodStatus[] };
}

/** The facts as of now. */
export function readFacts({ config, store, redirect }: FactsInputs): AgentFacts {
  return {
    kernel: release(),
    time: new Date().toISOString(),
    cgroup: resolveCgroup(config.cgroup),
    btf: existsSync("/sys/kernel/btf/vmlinux"),
    bpffs: isOnBpffs(dirname(config.pinDirectory)),
    ipv6: existsSync(`${config.proc}/sys/net/ipv6`),
    features: kernelFeatures(),
    snapshot: {
      epoch: store.current.epoch,
      version: store.current.version,
      ageSeconds: store.age / 1000,
    },
    pods: redirect.status(),
  };
}
