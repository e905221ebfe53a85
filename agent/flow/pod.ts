/** An enrolled pod of this node, as one worker serves it. */

import type { PortRange } from "#model/enrolment.ts";
import type { Refusal } from "#model/refusal.ts";
import type { Channel } from "../engine/channel.ts";
import type { DialPod } from "../transport/dial.ts";
import { type PoolInputs, UpstreamPool } from "../transport/pool.ts";
import type { Permit } from "./authorize.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import { CourseMemory } from "./course-memory.ts";
import type { Plan } from "./plan.ts";
import type { Lease } from "./request/lease.ts";

/** Looks after the channels of what is carried. */
export interface Attendant {
  /** `server` is undefined while nobody is reached. */
  attend(direction: Plan["direction"], client: Channel, server: Channel | undefined): void;
}

/** Something with a lifetime that a pod's end or the agent's drain must end. */
export interface Connection {
  /** Why it may go on: asked again when the snapshot has changed. */
  readonly permit: Permit;
  /** No new work: an HTTP connection closes after its current request; relayed bytes go on. */
  drain(): void;
  /** Ends it now; counted under the reason, if there is one to tell. */
  cut(why?: Refusal): void;
  /** Reports the bytes carried since the last time: long connections must be seen while they last. */
  account(): void;
  /** Shows its two channels, when there is something to look after. */
  attend(attendant: Attendant): void;
  /** What the admin socket says about it. */
  describe(): Readonly<Record<string, string | number>>;
}

/** What the worker was told about the pod. */
export interface LocalPodInit extends DialPod {
  readonly uid: string;
  /** How the kernel's programs call its network namespace. */
  readonly netnsCookie: bigint;
}

/** What all pods of a worker have together. */
export interface WorkerTally {
  /** Connections being carried. */
  carried: number;
  readonly pools: PoolInputs;
}

/** The pod with all that belongs to it in this worker. */
export class LocalPod implements DialPod {
  readonly uid: string;
  readonly owner: number;
  readonly netnsFd: number;
  readonly localPorts: PortRange;
  readonly netnsCookie: bigint;
  /** Of all pods of this worker. */
  readonly worker: WorkerTally;
  /** What was decided about earlier connections. */
  readonly courses: CourseMemory = new CourseMemory();
  readonly #carried: Set<Connection> = new Set();
  /** Called whenever the last connection has ended. */
  onIdle: () => void = () => undefined;
  readonly #pools: Map<LiveEndpoint, UpstreamPool<Lease>> = new Map();

  constructor(init: LocalPodInit, worker: WorkerTally) {
    this.worker = worker;
    this.uid = init.uid;
    this.owner = init.owner;
    this.netnsFd = init.netnsFd;
    this.localPorts = init.localPorts;
    this.netnsCookie = init.netnsCookie;
  }

  /** Every connection being carried for the pod. */
  get carried(): ReadonlySet<Connection> {
    return this.#carried;
  }

  /** A connection begins. */
  carry(connection: Connection): void {
    this.#carried.add(connection);
    this.worker.carried++;
  }

  /** A connection has ended. */
  release(connection: Connection): void {
    if (!this.#carried.delete(connection)) return;
    this.worker.carried--;
    if (this.#carried.size === 0) this.onIdle();
  }

  /** The pool of connections from this pod's own address to an endpoint of a service. */
  pool(endpoint: LiveEndpoint): UpstreamPool<Lease> {
    let pool = this.#pools.get(endpoint);
    if (pool === undefined) {
      pool = new UpstreamPool(this.worker.pools);
      this.#pools.set(endpoint, pool);
    }
    return pool;
  }

  /** Ends idle connections to endpoints that must get no new requests; forgets pools that nobody uses. */
  retirePools(usable: (endpoint: LiveEndpoint) => boolean): void {
    for (const [endpoint, pool] of this.#pools) {
      if (!usable(endpoint)) pool.closeIdle();
      if (pool.idle === 0) this.#pools.delete(endpoint);
    }
  }

  /** Ends every idle upstream connection: the pod is gone or leaves the mesh. */
  closeIdle(): void {
    this.retirePools(() => false);
  }

  /** Idle upstream connections in all pools. */
  get idleConnections(): number {
    let idle = 0;
    for (const pool of this.#pools.values()) idle += pool.idle;
    return idle;
  }
}
