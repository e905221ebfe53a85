/** Keeps the kernel in step with the snapshot: which pods of this node are caught, and how. */

import type { Snapshot } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";
import type { KernelReason } from "../kernel/layout.gen.ts";
import { closeNetns, netnsCookie, openNetns } from "../kernel/netns.ts";
import type { EnrolledWorkload } from "./contents.ts";
import { enrolledOn, sandboxOf } from "./contents.ts";
import { dropListening, endListening } from "./listening.ts";
import type { FoundNamespace, PodLocator } from "./locator.ts";
import type { Places } from "./place.ts";
import { kernelPlaces } from "./place.ts";
import type { PodContext, PodKernel, PodState } from "./pod.ts";
import { PodRedirect } from "./pod.ts";
import type { CaughtPod, PodUsers } from "./pod-users.ts";
import { adoptContents, writeChange } from "./writer.ts";

/** What the redirect needs of the kernel's side; MeshBpf is the real one. */
export interface RedirectKernel extends PodKernel {
  /** Cookies of the living namespaces that an earlier agent attached to. */
  attachedPods(): bigint[];
  counters(): Map<KernelReason, bigint>;
}

/** Everything a redirect works with. It owns none of it. */
export interface RedirectOptions {
  /** Name of this node: pods of other nodes are left alone. */
  readonly node: string;
  /** Number of data workers, each of which gets a listener in each pod. */
  readonly workers: number;
  readonly kernel: RedirectKernel;
  readonly locator: PodLocator;
  readonly users: PodUsers;
  /** Told once of each thing that could not be done for a pod that is caught. */
  readonly onRemark?: (uid: string, remark: string) => void;
  /** A procfs whose `sys` is writable; in a container /proc is not one. */
  readonly proc?: string;
  /** Only for tests. */
  readonly places?: Places;
}

/** How often what changed in the pods' namespaces is asked for. */
const REVIEW_INTERVAL_MS = 200;

/** Where one pod stands, for the admin socket and metrics. */
export interface PodStatus {
  readonly uid: string;
  readonly state: PodState["kind"];
  /** Why it is not caught, or what of it is not, in words; empty when all is. */
  readonly detail: string;
}

/** The redirect of one agent. */
export class Redirect implements Disposable {
  readonly #options: RedirectOptions;
  readonly #context: PodContext;
  readonly #pods = new Map<string, PodRedirect>();
  readonly #reviewing: NodeJS.Timeout;
  #released = false;
  readonly #remarks = new Map<string, string>();

  constructor(options: RedirectOptions) {
    this.#options = options;
    const { locator, kernel, users } = options;
    const places = options.places ?? kernelPlaces(options.workers, options.proc ?? "/proc");
    const adopted = adoptContents(kernel.maps, kernel.attachedPods());
    dropListening(kernel.maps, new Set(kernel.attachedPods()));
    this.#context = { locator, places, kernel, users, adopted };
    locator.onChange((sandbox) => {
      for (const pod of this.#pods.values()) if (pod.sandbox === sandbox) void pod.settle();
    });
    this.#reviewing = setInterval(() => this.review(performance.now()), REVIEW_INTERVAL_MS).unref();
  }

  /** Takes note of what changed in the pods' namespaces. */
  review(nowMs: number): void {
    for (const pod of this.#pods.values()) {
      pod.review(nowMs);
      this.#tellRemark(pod);
    }
  }

  /**
   * Brings every pod of this node to what the snapshot says. Resolves when all is enforced that can be: a
   * pod that can't be found yet, or whose connections take long to end, follows by itself. Never rejects; see status().
   */
  async apply(snapshot: Snapshot): Promise<void> {
    const wanted = enrolledOn(this.#options.node, snapshot);
    this.#cleanLeftovers(snapshot, wanted);
    const unwanted = [...this.#pods.values()].filter(({ uid }) => !wanted.has(uid));
    const uids = new Set([...wanted.keys(), ...this.#pods.keys()]);
    const settled = [...uids].map((uid) => this.#want(uid, wanted.get(uid), unwanted));
    await Promise.all(settled);
    for (const [uid, pod] of this.#pods) {
      if (!hasLeft(pod.state)) continue;
      this.#pods.delete(uid);
      this.#remarks.delete(uid);
    }
  }

  /** The pods whose connections arrive here now: what a restarted worker must be told. */
  caught(): CaughtPod[] {
    return [...this.#pods.values()].flatMap(({ uid, state }) => {
      if (!("place" in state)) return [];
      const { netns, addresses, listeners } = state.place;
      return [{ uid, netns, addresses, listeners }];
    });
  }

  /** Every pod that is or shall be in the mesh. */
  status(): PodStatus[] {
    return [...this.#pods.values()]
      .filter(({ state }) => !hasLeft(state))
      .map(({ uid, state, remark }) => ({
        uid,
        state: state.kind,
        detail: detailOf(state, remark),
      }));
  }

  /** What the kernel's programs counted since their maps were made, by reason. */
  counters(): Map<KernelReason, bigint> {
    return this.#options.kernel.counters();
  }

  /**
   * Takes every pod out of the mesh and undoes all that was done in namespaces. Relayed connections must
   * have ended or be meant to be cut. For uninstalling and `sim down`.
   */
  async uninstall(): Promise<void> {
    await Promise.all([...this.#pods.values()].map((pod) => pod.expel()));
    this[Symbol.dispose]();
  }

  /**
   * The end of an agent that was told to go: undoes everything that is of no use without an agent. A pod with
   * mesh/fail=open is as without a mesh then, which is what that word asks for; one with mesh/fail=closed stays
   * caught, so that its connections are refused. Relayed connections must have ended or be meant to be cut.
   * Resolves with whether nothing is left, so that the programs may go too.
   */
  async leave(): Promise<boolean> {
    this.release();
    const pods = [...this.#pods.values()];
    await Promise.all(pods.filter((pod) => !pod.mustRefuse).map((pod) => pod.expel()));
    // Pods that an earlier agent caught and no snapshot has named yet: nobody knows what they want.
    return this.#context.adopted.size === 0 && pods.every(({ state }) => hasLeft(state));
  }

  /** Nothing new comes to this agent any more, as if it were dead; what was accepted goes on. See PodRedirect. */
  release(): void {
    this.#released = true;
    for (const pod of this.#pods.values()) pod.release();
  }

  /** Closes listeners and namespaces and leaves the kernel as it is: mesh/fail decides from now on. */
  [Symbol.dispose](): void {
    clearInterval(this.#reviewing);
    for (const pod of this.#pods.values()) pod.close();
    this.#pods.clear();
  }

  #tellRemark({ uid, remark }: PodRedirect): void {
    if ((this.#remarks.get(uid) ?? "") === remark) return;
    if (remark === "") this.#remarks.delete(uid);
    else this.#remarks.set(uid, remark);
    if (remark !== "") this.#options.onRemark?.(uid, remark);
  }

  #pod(uid: string): PodRedirect {
    return this.#pods.getOrInsertComputed(uid, () => {
      const pod = new PodRedirect(uid, this.#context);
      if (this.#released) pod.release();
      return pod;
    });
  }

  /** A static pod's mirror object may be made anew, with another uid for the same namespace: one owner at a time. */
  async #want(
    uid: string,
    workload: EnrolledWorkload | undefined,
    unwanted: readonly PodRedirect[],
  ): Promise<void> {
    const former = unwanted.filter(({ sandbox }) => workload && sandbox === sandboxOf(workload));
    if (former.length === 0) return this.#pod(uid).want(workload);
    const gone = Promise.all(former.map((pod) => pod.expel()));
    const wanted = gone.then(() => this.#pod(uid).want(workload));
    await Promise.all(former.map((pod) => pod.settle()));
    // Otherwise their connections take long to end, and it follows by itself.
    if (former.every(({ state }) => hasLeft(state))) await wanted;
  }

  /** Pods that an earlier agent caught and that are not enrolled any more: nothing of it is still relayed. */
  #cleanLeftovers(snapshot: Snapshot, wanted: ReadonlyMap<string, unknown>): void {
    for (const workload of snapshot.workloads.values()) {
      if (this.#context.adopted.size === 0) return;
      if (workload.node === this.#options.node && !wanted.has(workload.uid))
        this.#cleanLeftover(workload);
    }
  }

  #cleanLeftover(workload: Workload): void {
    const { locator } = this.#context;
    const { addresses } = workload;
    const located = locator.locate(sandboxOf(workload));
    // Nobody waits for it, found or not.
    locator.forget(sandboxOf(workload));
    if (located.kind === "absent") return;
    for (const namespace of located.namespaces) {
      try {
        this.#cleanNamespace(namespace, addresses);
      } catch {
        // It is going, or its process has gone since it was found. Still adopted, it is looked for at the next
        // snapshot; meanwhile nobody else may suffer.
      }
    }
  }

  #cleanNamespace({ path, confirm }: FoundNamespace, addresses: readonly string[]): void {
    const { places, kernel, adopted } = this.#context;
    const netns = openNetns(path);
    try {
      const cookie = netnsCookie(netns);
      if (!adopted.has(cookie) || confirm?.() === false) return;
      places.undo({ netns, addresses }, adopted.get(cookie)?.pod.settings ?? 0);
      writeChange(kernel.maps, { from: adopted.get(cookie), to: undefined });
      endListening(kernel.maps, cookie);
      kernel.detachPod(cookie);
      adopted.delete(cookie);
    } finally {
      closeNetns(netns);
    }
  }
}

function hasLeft(state: PodState): boolean {
  return state.kind === "out" && state.why === "not-enrolled";
}

function detailOf(state: PodState, remark: string): string {
  if (state.kind === "out") return state.why;
  if (state.kind !== "failed") return remark;
  return state.isRefused
    ? `${state.detail}; every connection to and from it is refused until that is mended`
    : state.detail;
}
