/**
 * The mesh's programs in the kernel: loads the committed objects, adopts or makes their pinned maps and
 * links, attaches. Everything is pinned in one directory, so that it goes on when the agent dies and the next
 * agent finds it. Must never decide which pods are caught: that is agent/redirect's work.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import type { Collection, CollectionSpec, Link, LoadOptions, Program } from "ebpf-loader-wasm";
import {
  attachCgroup,
  attachNetns,
  forgetKernelTypes,
  load,
  openPinnedLink,
  PinMismatch,
  parse,
  SystemError,
  VerifierError,
} from "ebpf-loader-wasm";
import { assertOnBpffs } from "./bpffs.ts";
import { cgroupId, isInsideCgroup } from "./cgroup.ts";
import { assertFeatures, kernelFeatures } from "./features.ts";
import type { KernelReason } from "./layout.gen.ts";
import { KERNEL_REASONS } from "./layout.gen.ts";
import type { MeshMaps } from "./mesh-maps.ts";
import { typedMaps } from "./mesh-maps.ts";
import { currentNetnsCookie } from "./namespace-calls.ts";
import type { MapFds } from "./sockets.ts";

/** Where the committed objects are. */
const OBJECTS: string = join(import.meta.dirname, "../../bpf");

/** The kernel's types, where it was built with them. */
const KERNEL_TYPES = "/sys/kernel/btf/vmlinux";

/** Pins of the links to pods' namespaces end in the namespace's cookie. */
const POD_LINK = "pod-";

/** Where to keep and attach things. */
export interface MeshBpfOptions {
  /** Its parent is on a bpffs; one per agent. */
  readonly pinDirectory: string;
  /** Directory of the cgroup v2 whose processes are caught. The agent must run inside. */
  readonly cgroup: string;
  /** Cookie of the node's own network namespace, where kubelet is; this process's own when left out. */
  readonly node?: bigint;
}

/** The loaded and attached programs of one agent. Disposing closes descriptors; the pins go on. */
export class MeshBpf implements Disposable {
  readonly maps: MeshMaps;
  /** Open until this is disposed of. */
  readonly mapFds: MapFds;
  readonly #pins: string;
  readonly #node: readonly Collection[];
  readonly #lookup: CollectionSpec;
  readonly #nodeLinks: Link[] = [];
  readonly #podLinks = new Map<bigint, Link>();

  /** Loads, adopting what an earlier agent pinned. Throws with words for an operator when the kernel refuses. */
  constructor(options: MeshBpfOptions) {
    if (!isInsideCgroup(options.cgroup))
      throw new Error(
        `the agent must run inside the cgroup it attaches to (${options.cgroup}): its own connections ` +
          "would be caught otherwise. --cgroup must name a directory above the agent and the pods; " +
          "in a container use the node's mount of cgroup v2 (--cgroup auto)",
      );
    assertFeatures(kernelFeatures());
    this.#pins = options.pinDirectory;
    assertOnBpffs(dirname(this.#pins));
    const connect = this.#adoptOrReplace();
    const sockops = loadSockops(sharedMaps(connect), options.node ?? currentNetnsCookie());
    const others = ["bind", "setsockopt"].map((name) =>
      load(parseObject(name), { maps: sharedMaps(connect) }),
    );
    this.#node = [connect, sockops, ...others];
    this.#lookup = parseObject("lookup");
    this.maps = typedMaps((name) => connect.map(name));
    this.mapFds = {
      patience: connect.map("patience").fd,
      agentSockets: connect.map("agent_sockets").fd,
      heartbeat: connect.map("heartbeat").fd,
    };
    this.#adoptPodLinks();
    this.#attachNode(options.cgroup);
  }

  /** Cookies of the namespaces that an earlier agent attached to and that still exist. */
  attachedPods(): bigint[] {
    return [...this.#podLinks.keys()];
  }

  /** Attaches to a pod's namespace; the same again changes nothing. */
  attachPod(cookie: bigint, netns: number): void {
    if (this.#podLinks.has(cookie)) return;
    using collection = this.#loadLookup(cookie);
    const link = attachNetns(collection.program("catch_syn"), netns);
    link.pin(this.#podPin(cookie));
    this.#podLinks.set(cookie, link);
  }

  /** Detaches from a pod's namespace, whether or not that still exists. */
  detachPod(cookie: bigint): void {
    this.#podLinks.get(cookie)?.unpin(this.#podPin(cookie));
    this.#podLinks.get(cookie)?.[Symbol.dispose]();
    this.#podLinks.delete(cookie);
  }

  /** How often each thing happened since the maps were made. */
  counters(): Map<KernelReason, bigint> {
    const sum = (values: readonly bigint[]): bigint => values.reduce((a, b) => a + b, 0n);
    return new Map(
      KERNEL_REASONS.map((reason, slot) => [reason, sum(this.maps.counters.get(slot))]),
    );
  }

  /** Detaches everything and removes the pins: as if the mesh had never been here. */
  uninstall(): void {
    for (const cookie of this.attachedPods()) this.detachPod(cookie);
    this[Symbol.dispose]();
    rmSync(this.#pins, { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    for (const link of [...this.#nodeLinks, ...this.#podLinks.values()]) link[Symbol.dispose]();
    for (const collection of this.#node) collection[Symbol.dispose]();
    this.#nodeLinks.length = 0;
    this.#podLinks.clear();
  }

  /** Maps of another layout belong to another version: its programs can't go on beside ours. */
  #adoptOrReplace(): Collection {
    mkdirSync(this.#pins, { recursive: true });
    try {
      return loadConnect(this.#pins);
    } catch (error) {
      if (!(error instanceof PinMismatch)) throw error;
      // The directory itself stays: it carries the lock of this node.
      for (const pin of readdirSync(this.#pins)) unlinkSync(join(this.#pins, pin));
      return loadConnect(this.#pins);
    }
  }

  #attachNode(cgroup: string): void {
    const prefix = `cgroup-${cgroupId(cgroup)}-`;
    for (const collection of this.#node)
      for (const [name, program] of collection.programs)
        this.#nodeLinks.push(this.#attachOrUpdate(`${prefix}${name}`, program, cgroup));
    // An earlier agent may have been attached to another cgroup.
    for (const pin of readdirSync(this.#pins))
      if (pin.startsWith("cgroup-") && !pin.startsWith(prefix)) unlinkSync(join(this.#pins, pin));
  }

  #attachOrUpdate(pin: string, program: Program, cgroup: string): Link {
    const path = join(this.#pins, pin);
    const adopted = openPinnedLink(path);
    if (adopted) {
      adopted.update(program);
      return adopted;
    }
    const link = attachCgroup(program, { cgroup });
    link.pin(path);
    return link;
  }

  #adoptPodLinks(): void {
    for (const pin of readdirSync(this.#pins)) {
      if (!pin.startsWith(POD_LINK)) continue;
      const cookie = BigInt(pin.slice(POD_LINK.length));
      const link = openPinnedLink(join(this.#pins, pin));
      if (link && this.#refreshed(link, cookie)) this.#podLinks.set(cookie, link);
      else this.#forget(cookie, link);
    }
  }

  /** Puts our program in place of the earlier agent's. False when the namespace is gone. */
  #refreshed(link: Link, cookie: bigint): boolean {
    using collection = this.#loadLookup(cookie);
    try {
      link.update(collection.program("catch_syn"));
      return true;
    } catch (error) {
      if (error instanceof SystemError && error.errno === constants.errno.ENOLINK) return false;
      throw error;
    }
  }

  #forget(cookie: bigint, link: Link | undefined): void {
    link?.unpin(this.#podPin(cookie));
    link?.[Symbol.dispose]();
  }

  #loadLookup(cookie: bigint): Collection {
    const [connect] = this.#node;
    return load(this.#lookup, {
      ...(connect === undefined ? {} : { maps: sharedMaps(connect) }),
      variables: { pod_cookie: cookie },
    });
  }

  #podPin(cookie: bigint): string {
    return join(this.#pins, `${POD_LINK}${cookie}`);
  }
}

function loadConnect(pinDirectory: string): Collection {
  const spec = parseObject("connect");
  try {
    return load(spec, { pinDirectory });
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error;
    // Kernels before 5.18: a refused connect reads EPERM instead of ECONNREFUSED.
    return load(spec, { pinDirectory, variables: { has_set_retval: 0 } });
  }
}

/** One of two programs, by whether the kernel tells its types; what they take of memory is given back. */
function loadSockops(maps: NonNullable<LoadOptions["maps"]>, node: bigint): Collection {
  const program = existsSync(KERNEL_TYPES) ? "follow_agent" : "follow_agent_untyped";
  try {
    return load(parseObject("sockops"), {
      maps,
      programs: [program],
      variables: { node_cookie: node },
    });
  } finally {
    forgetKernelTypes();
  }
}

function parseObject(name: string): CollectionSpec {
  return parse(readFileSync(join(OBJECTS, `${name}.bpf.o`)));
}

/** All maps but the object's own data sections. */
function sharedMaps(collection: Collection): NonNullable<LoadOptions["maps"]> {
  return Object.fromEntries([...collection.maps].filter(([name]) => !name.startsWith(".")));
}
