/** What the mesh's programs (bpf/*.bpf.c) need of the kernel, tried by harmless calls. */

import { type Feature, featureSince, hasFeature } from "ebpf-loader-wasm";

/** Each need in the kernel's own words. */
const NEEDS: Readonly<Record<string, Feature>> = {
  "cgroup/connect programs": "connect-programs",
  "sockops programs": "sockops-programs",
  "sk_lookup programs": "sk-lookup-programs",
  "links to cgroups": "cgroup-links",
  "links to network namespaces": "netns-links",
  "LPM tries": "lpm-tries",
  "LRU hashes": "lru-hashes",
  "socket hashes": "socket-hashes",
};

/** Whether each is there. */
export type KernelFeatures = Readonly<Record<string, boolean>>;

/** Tries what was not tried yet: the kernel is asked once. */
export function kernelFeatures(): KernelFeatures {
  const needs = Object.entries(NEEDS);
  return Object.fromEntries(needs.map(([name, feature]) => [name, hasFeature(feature)]));
}

/** Throws with what is missing and what to do. */
export function assertFeatures(features: KernelFeatures): void {
  const missing = Object.entries(NEEDS).filter(([name]) => features[name] !== true);
  if (missing.length === 0) return;
  const words = missing.map(([name, feature]) => `${name} (Linux ${featureSince(feature)})`);
  throw new Error(
    `this kernel does not give the agent: ${words.join(", ")}. Boot the node with a kernel of 5.10 or newer built ` +
      "with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF; the agent needs root with the capabilities BPF, PERFMON and NET_ADMIN",
  );
}
