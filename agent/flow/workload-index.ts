/** Workloads by address, with what the node knows of its pods before the snapshot does. */

import type { Workload } from "#model/workload.ts";

/** The workloads that a worker knows. */
export class WorkloadIndex {
  readonly #workloads: Map<string, Workload> = new Map();
  readonly #byAddress: Map<string, Workload> = new Map();
  /** Addresses of this node's pods, learnt from their network namespaces. */
  readonly #learnt: Map<string, readonly string[]> = new Map();

  /** The workload with this uid. */
  get(uid: string): Workload | undefined {
    return this.#workloads.get(uid);
  }

  /** The workload that has this address. */
  at(address: string): Workload | undefined {
    return this.#byAddress.get(address);
  }

  /** These addresses count until the snapshot says which the pod has. Returns whether that changes anything. */
  learn(uid: string, addresses: readonly string[]): boolean {
    this.#learnt.set(uid, addresses);
    const workload = this.#workloads.get(uid);
    if (workload === undefined || workload.addresses.length > 0) return false;
    this.put(workload);
    return true;
  }

  /** What was learnt counts no longer for what comes. */
  unlearn(uid: string): void {
    this.#learnt.delete(uid);
  }

  put(given: Workload): void {
    this.remove(given.uid);
    const learnt = given.addresses.length > 0 ? undefined : this.#learnt.get(given.uid);
    const workload = learnt === undefined ? given : { ...given, addresses: learnt };
    this.#workloads.set(workload.uid, workload);
    for (const address of workload.addresses) this.#byAddress.set(address, workload);
  }

  remove(uid: string): void {
    const old = this.#workloads.get(uid);
    if (old === undefined) return;
    this.#workloads.delete(uid);
    // A new pod may have taken the address already.
    for (const address of old.addresses)
      if (this.#byAddress.get(address) === old) this.#byAddress.delete(address);
  }
}
