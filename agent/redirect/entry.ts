/**
 * What the kernel knows of a pod from its set-up's first step on. The attachment and the entry come before anything that
 * can fail, so that a pod that must be refused is refused, whatever fails after them.
 */

import {
  POD_CATCH,
  POD_CIDRS,
  POD_CIDRS_ONLY,
  POD_FAIL_CLOSED,
  POD_NETWORKS,
  POD_PORTS_IN,
  POD_PORTS_OUT,
  POD_STRICT,
} from "../kernel/layout.gen.ts";
import type { MeshMaps, PodTables } from "../kernel/mesh-maps.ts";
import type { PodContents } from "./contents.ts";
import { leavingContents } from "./contents.ts";
import { writeChange } from "./writer.ts";

/** What an entry needs of the kernel's side. */
export interface EntryKernel {
  readonly maps: Pick<MeshMaps, "listeners"> & PodTables;
  attachPod(cookie: bigint, netns: number): void;
  detachPod(cookie: bigint): void;
}

/** Flags that let something of a pod pass, or that mean tables which may not have been written. */
const EXCEPTIONS: number = POD_PORTS_OUT | POD_PORTS_IN | POD_CIDRS | POD_CIDRS_ONLY | POD_NETWORKS;

/** The same pod, every connection of which is refused, in and out, but kubelet's: caught, closed, and nobody listens. */
export function refusedContents(contents: PodContents): PodContents {
  const flags = (contents.pod.flags & ~EXCEPTIONS) | POD_CATCH | POD_FAIL_CLOSED;
  const pod = { ...contents.pod, flags, device: 0, listenerPort: 0 };
  return { ...contents, pod, ports: [], cidrs: [], networks: [] };
}

/**
 * A pod's contents while it is set up: a strict one is refused, another one is left alone as it was before. What an earlier
 * agent wrote goes on, unless the pod has become strict since.
 */
export function firstContents(wanted: PodContents, before: PodContents | undefined): PodContents {
  const isStrict = (wanted.pod.flags & POD_STRICT) !== 0;
  if (before !== undefined && (!isStrict || isRefusing(before))) return before;
  const settings = before?.pod.settings ?? 0;
  const first = isStrict ? refusedContents(wanted) : leavingContents(wanted);
  return { ...first, pod: { ...first.pod, settings } };
}

/** The entry of one pod, while the pod is neither caught nor leaving. */
export class PodEntry {
  readonly #kernel: EntryKernel;
  readonly #adopted: Map<bigint, PodContents | undefined>;
  #held: PodContents | undefined;

  /** `adopted`: what an earlier agent wrote, by namespace; taken out when it is found. */
  constructor(kernel: EntryKernel, adopted: Map<bigint, PodContents | undefined>) {
    this.#kernel = kernel;
    this.#adopted = adopted;
  }

  /**
   * Attaches to the namespace of that descriptor and writes what comes first. Returns the settings that an earlier agent
   * had found in it; undefined: there was none. Throws SystemError; what was done by then stays, for fail().
   */
  begin(netns: number, wanted: PodContents): number | undefined {
    const { cookie } = wanted;
    if (this.#held?.cookie !== cookie) this.end();
    const adopted = this.#adopted.get(cookie);
    this.#adopted.delete(cookie);
    const before = this.#held ?? adopted;
    const first = firstContents(wanted, before);
    this.#held = before ?? first;
    // The pinned attachment comes first and goes last: after a crash the next agent finds the pod by it.
    this.#kernel.attachPod(cookie, netns);
    writeChange(this.#kernel.maps, { from: before, to: first });
    this.#held = first;
    return adopted?.pod.settings;
  }

  /** The tables' contents, which are the caller's from now on. */
  take(): PodContents | undefined {
    const contents = this.#held;
    this.#held = undefined;
    return contents;
  }

  /** The set-up failed: from now on all of it is refused, or nothing of it is known to the kernel. */
  fail(contents: PodContents | undefined, mustRefuse: boolean): void {
    this.#held = contents ?? this.#held;
    if (!mustRefuse) this.end();
    if (this.#held === undefined) return;
    const refused = refusedContents(this.#held);
    writeChange(this.#kernel.maps, { from: this.#held, to: refused });
    this.#held = refused;
    this.#kernel.maps.listeners.delete(refused.cookie);
  }

  /** Nothing of the pod is known to the kernel any more. */
  end(): void {
    const contents = this.take();
    if (contents === undefined) return;
    writeChange(this.#kernel.maps, { from: contents, to: undefined });
    this.#kernel.detachPod(contents.cookie);
  }
}

function isRefusing({ pod }: PodContents): boolean {
  const both = POD_CATCH | POD_FAIL_CLOSED;
  return (pod.flags & both) === both;
}
