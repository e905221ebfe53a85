/**
 * The simulated cluster: plays the API server, the controllers, the scheduler and the kubelets. One pass of
 * reconcile() brings the world one step nearer to what the objects say; every change asks for another pass.
 */

import { randomInt, randomUUID } from "node:crypto";
import type { Pod } from "../../../control/k8s/api/pod.ts";
import type { ObjectRef } from "../../../control/k8s/api/schema.ts";
import { PodRunner } from "../kubelet/pod-runner.ts";
import { MAX_PODS, type NodePlan } from "../net/plan.ts";
import { nodePaths, type SimPaths } from "../paths.ts";
import { ALPHABET, chooseNode, decidePods, isTerminating, type PodAction } from "./decide.ts";
import { endpointSlices, isReady } from "./endpoints.ts";
import { stampPod } from "./pod-factory.ts";
import { nameOf, type RawObject, type Stored } from "./raw.ts";
import { needsAddress, withAddress } from "./service-addresses.ts";
import { ObjectStore } from "./store.ts";

/** Kinds that make pods. */
const CONTROLLER_KINDS = ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"] as const;

/** What the cluster runs on, and whom it tells. */
export interface ClusterOptions {
  readonly sim: SimPaths;
  readonly nodes: readonly NodePlan[];
  /** Called after a pass that may have changed Services or endpoints. */
  readonly onReconciled: () => void;
  /** A line for the supervisor's log. */
  readonly log: (line: string) => void;
}

/** The cluster; see the head of this file. */
export class Cluster {
  readonly store: ObjectStore;
  readonly #options: ClusterOptions;
  readonly #runners = new Map<string, PodRunner>();
  #scheduled = false;
  #closed = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.store = new ObjectStore(options.sim.objects, () => this.#wake());
  }

  /** The nodes' plans. */
  get nodes(): readonly NodePlan[] {
    return this.#options.nodes;
  }

  /** All pods, as the mesh reads them. */
  pods(): readonly Pod[] {
    return this.store.list("Pod");
  }

  /** Every ClusterIP in use. */
  clusterIps(): ReadonlySet<string> {
    return new Set(this.store.list("Service").flatMap((one) => one.spec.clusterIPs));
  }

  /** The running side of a pod, by uid. */
  runner(uid: string): PodRunner | undefined {
    return this.#runners.get(uid);
  }

  /** Whether every controller has all its pods ready, none is ending, and every bare pod is ready. */
  settled(): boolean {
    const pods = this.pods();
    if (this.#scheduled || this.#decide().length > 0) return false;
    return pods.every((pod) => !isTerminating(pod) && done(pod));
  }

  /** Begins the end of a pod: first its endpoints go, then it is told. `graceMs` overrides the pod's own. */
  deletePod(pod: Pod, graceSeconds?: number): void {
    const stored = this.store.get({ kind: "Pod", ...pod.metadata });
    if (stored === undefined || isTerminating(pod)) return;
    const seconds = graceSeconds ?? pod.spec.terminationGracePeriodSeconds;
    const metadata = {
      ...stored.raw.metadata,
      deletionTimestamp: new Date().toISOString(),
      deletionGracePeriodSeconds: seconds,
    };
    this.store.put({ ...stored.raw, metadata });
  }

  /** Ends all pods at once, without grace, and stops reconciling. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#runners.values()].map((runner) => runner.terminate(0)));
  }

  #wake(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#closed) this.#reconcile();
    });
  }

  /** The order matters: endpoints are withdrawn before a pod is told to stop. */
  #reconcile(): void {
    try {
      this.#syncStatus();
      this.#assignAddresses();
      for (const action of this.#decide()) this.#carryOut(action);
      this.#schedulePods();
      this.#syncSlices();
      this.#runPods();
      this.#options.onReconciled();
    } catch (error) {
      this.#options.log(`reconcile: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }

  #decide(): readonly PodAction[] {
    return decidePods({
      controllers: CONTROLLER_KINDS.flatMap((kind) => this.store.stored(kind)),
      pods: this.pods(),
      nodes: this.nodes.map((node) => node.name),
    });
  }

  #carryOut(action: PodAction): void {
    if (action.kind === "delete") {
      this.deletePod(action.pod);
      return;
    }
    const suffix = Array.from({ length: 5 }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
    this.store.put(stampPod(action, { uid: randomUUID(), suffix, now: new Date().toISOString() }));
  }

  /** What the runners say becomes the pods' status. */
  #syncStatus(): void {
    for (const { raw, object } of this.store.stored("Pod")) {
      const runner = this.#runners.get(object.metadata.uid);
      if (runner === undefined) continue;
      if (runner.gone) this.#forget(object.metadata.uid, { kind: "Pod", ...object.metadata });
      else this.store.put({ ...raw, status: runner.status() });
    }
  }

  #forget(uid: string, ref: ObjectRef): void {
    this.#runners.delete(uid);
    this.store.remove({ kind: ref.kind, namespace: ref.namespace, name: ref.name });
  }

  #assignAddresses(): void {
    for (const { raw } of this.store.stored("Service")) {
      if (!needsAddress(raw)) continue;
      this.store.put(withAddress(raw, this.clusterIps()));
    }
  }

  #schedulePods(): void {
    for (const { raw, object } of this.store.stored("Pod")) {
      if (object.kind !== "Pod" || object.spec.nodeName !== "") continue;
      const node = chooseNode(object, {
        pods: this.pods(),
        nodes: this.nodes.map((one) => one.name),
      });
      if (node !== undefined) this.store.put({ ...raw, spec: { ...raw.spec, nodeName: node } });
    }
  }

  #syncSlices(): void {
    const pods = this.pods();
    const wanted = this.store.list("Service").flatMap((service) => endpointSlices(service, pods));
    const keep = new Set(
      wanted.map((slice) => `${slice.metadata.namespace}/${slice.metadata.name}`),
    );
    for (const slice of wanted) this.store.put(slice);
    for (const { raw, object } of this.store.stored("EndpointSlice"))
      if (isOurs(raw) && !keep.has(`${object.metadata.namespace}/${object.metadata.name}`))
        this.store.remove({ kind: "EndpointSlice", ...object.metadata });
  }

  #runPods(): void {
    for (const stored of this.store.stored("Pod")) {
      const { object } = stored;
      if (object.kind !== "Pod" || object.spec.nodeName === "") continue;
      const runner = this.#runners.get(object.metadata.uid);
      if (runner === undefined && isTerminating(object)) {
        this.store.remove({ kind: "Pod", ...object.metadata });
      } else if (runner === undefined) this.#startPod(object);
      else if (isTerminating(object)) this.#endPod(runner, stored);
    }
  }

  #startPod(pod: Pod): void {
    const node = this.nodes.find((one) => one.name === pod.spec.nodeName);
    if (node === undefined) return;
    const index = this.#freeIndex(node);
    // A full node: the pod stays pending, and is looked at again with the next change.
    if (index === undefined) return;
    const paths = nodePaths(this.#options.sim, node.name);
    const place = { node, paths, uid: pod.metadata.uid, index };
    const runner = new PodRunner(pod, place, () => this.#wake());
    this.#runners.set(pod.metadata.uid, runner);
    this.#options.log(`start pod ${pod.metadata.namespace}/${pod.metadata.name} on ${node.name}`);
    runner.start();
    this.#wake();
  }

  #endPod(runner: PodRunner, stored: Stored): void {
    const { deletionGracePeriodSeconds } = stored.raw.metadata as GraceMeta;
    runner.terminate((deletionGracePeriodSeconds ?? 30) * 1_000).catch((error: Error) => {
      this.#options.log(
        `end of ${nameOf({ kind: "Pod", ...stored.object.metadata })}: ${error.message}`,
      );
    });
  }

  /**
   * Numbers are given round robin, so that a new pod does not soon get the address of one just gone;
   * undefined when all are in use.
   */
  #freeIndex(node: NodePlan): number | undefined {
    const used = new Set(
      [...this.#runners.values()]
        .filter((one) => one.place.node === node)
        .map((one) => one.place.index),
    );
    let index = this.#lastIndex.get(node.name) ?? 1;
    for (let tries = 0; tries < MAX_PODS; tries++) {
      index = index > MAX_PODS ? 2 : index + 1;
      if (used.has(index)) continue;
      this.#lastIndex.set(node.name, index);
      return index;
    }
    return undefined;
  }

  readonly #lastIndex = new Map<string, number>();
}

interface GraceMeta {
  readonly deletionGracePeriodSeconds?: number;
}

/** A pod that is as it should be: ready, or ended well; of a Job also one that failed, it gets another. */
function done(pod: Pod): boolean {
  const ofJob = pod.metadata.ownerReferences.some(({ kind }) => kind === "Job");
  const { phase } = pod.status;
  return isReady(pod) || phase === "Succeeded" || (ofJob && phase === "Failed");
}

/** Slices a user wrote by hand (for a Service without selector) are left alone. */
function isOurs(raw: RawObject): boolean {
  return (raw.metadata.ownerReferences ?? []).length > 0;
}
