/** Takes part in the election for as long as the process lives. */

import { setTimeout as sleep } from "node:timers/promises";
import { type CoordinationV1Api, type V1Lease, V1MicroTime } from "@kubernetes/client-node";
import { type ApiCalls, type CallError, callError } from "../api-call.ts";
import { decide, type LeaseWords, type Sighting, sight, TIMINGS, type Timings } from "./decide.ts";

/** The lease's name, in control's namespace. */
const LEASE = "nodemesh-control";
/** A lease that names another duration than ours is believed within these bounds. */
const SHORTEST_LEASE_MS = 1000;
const LONGEST_LEASE_MS = 60_000;

/** What an election works with. */
export interface ElectionOptions {
  readonly api: Pick<
    CoordinationV1Api,
    "readNamespacedLease" | "createNamespacedLease" | "replaceNamespacedLease"
  >;
  readonly calls: ApiCalls;
  readonly namespace: string;
  /** Unlike that of every other process that ever lived: a pod's name and something random. */
  readonly identity: string;
  /** This replica leads from now on, until the signal aborts. Must not throw. */
  readonly onLead: (signal: AbortSignal) => void;
  /** It leads no more; the signal has aborted. Must not throw. */
  readonly onLost: (why: string) => void;
  /** The lease could not be read or written; told once for each new problem. */
  readonly onProblem: (problem: string) => void;
  readonly random: () => number;
  readonly timings?: Timings;
}

/** What a round brought. */
type Round =
  | { readonly kind: "held" }
  | { readonly kind: "other"; readonly lookInMs: number }
  /** Somebody was faster: look again. */
  | { readonly kind: "raced" }
  | { readonly kind: "failed"; readonly error: CallError };

/** A replica that takes part. Dispose to leave: a leader releases the lease, so that another can take it at once. */
export class Election implements AsyncDisposable {
  readonly #options: ElectionOptions;
  readonly #timings: Timings;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #sighting: Sighting | undefined;
  /** Set while leading. */
  #term: { readonly abort: AbortController; deadline: NodeJS.Timeout } | undefined;
  #problem = "";
  /** The lease may be ours, also when the answer to the write was lost. */
  #wrote = false;

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#timings = options.timings ?? TIMINGS;
    this.#running = this.#run();
  }

  /** Whether this replica leads. */
  get leading(): boolean {
    return this.#term !== undefined;
  }

  /** Who holds the lease, as last seen; empty = nobody, undefined = it was not seen yet. */
  get holder(): string | undefined {
    return this.#sighting?.words.holder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.#lose("control stops");
    if (this.#wrote) await this.#release();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const round = await this.#round();
      this.#note(round);
      // Rejects only when stopped, which the loop sees.
      await sleep(this.#pause(round), undefined, { signal }).catch(() => {});
    }
  }

  /** Jitter keeps replicas from looking in step; an expiring lease is looked at when it expires. */
  #pause(round: Round): number {
    const { retryMs } = this.#timings;
    const usual = retryMs * (1 + this.#options.random() / 5);
    if (round.kind === "raced") return usual / 4;
    return round.kind === "other" ? Math.min(usual, round.lookInMs) : usual;
  }

  /** One look at the lease, and at most one write. Never rejects. */
  async #round(): Promise<Round> {
    // Counted from before the call: how long it took is part of how old the renewal is.
    const from = performance.now();
    try {
      const lease = await this.#read();
      const words = lease && wordsOf(lease);
      this.#sighting = words && sight(this.#sighting, words, performance.now());
      const move = decide(this.#sighting, this.#options.identity, performance.now());
      if (move.kind === "follow") {
        this.#lose(`${this.holder} leads`);
        return { kind: "other", lookInMs: move.lookInMs };
      }
      await this.#write(lease, move.kind === "take" ? move.transitions : words?.transitions);
      if (!this.#stop.signal.aborted) this.#hold(from);
      return { kind: "held" };
    } catch (cause) {
      const error = callError(cause, this.#stop.signal);
      return error.failure === "conflict" ? { kind: "raced" } : { kind: "failed", error };
    }
  }

  async #read(): Promise<V1Lease | undefined> {
    const { api, namespace } = this.#options;
    try {
      return await api.readNamespacedLease({ name: LEASE, namespace }, this.#call());
    } catch (cause) {
      if (callError(cause).failure === "absent") return undefined;
      throw cause;
    }
  }

  /** Writes our name and the time; `lease` is what was read, so any change in between is a conflict. */
  async #write(lease: V1Lease | undefined, transitions: number = 0): Promise<void> {
    const { api, namespace, identity } = this.#options;
    this.#wrote = true;
    const now = new V1MicroTime();
    const ours = lease?.spec?.holderIdentity === identity;
    const body: V1Lease = {
      metadata: lease?.metadata ?? { name: LEASE, namespace },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(this.#timings.leaseMs / 1000),
        acquireTime: (ours ? lease.spec?.acquireTime : undefined) ?? now,
        renewTime: now,
        leaseTransitions: transitions,
      },
    };
    const written =
      lease === undefined
        ? await api.createNamespacedLease({ namespace, body }, this.#call())
        : await api.replaceNamespacedLease({ name: LEASE, namespace, body }, this.#call());
    this.#sighting = sight(this.#sighting, wordsOf(written), performance.now());
  }

  /** Gives the lease back. What can't be given back runs out. */
  async #release(): Promise<void> {
    const { api, calls, namespace, identity } = this.#options;
    const options = calls.options(undefined, 1000);
    try {
      const lease = await api.readNamespacedLease({ name: LEASE, namespace }, options);
      if (lease.spec?.holderIdentity !== identity) return;
      const spec = { ...lease.spec, holderIdentity: "", renewTime: new V1MicroTime() };
      const body = { metadata: lease.metadata ?? {}, spec };
      await api.replaceNamespacedLease(
        { name: LEASE, namespace, body },
        calls.options(undefined, 1000),
      );
    } catch (cause) {
      this.#options.onProblem(`the lease was not released: ${callError(cause).problem}`);
    }
  }

  /** The lease is ours, as of a time. */
  #hold(from: number): void {
    const left = from + this.#timings.renewDeadlineMs - performance.now();
    // Not unref'd: a leader that can't renew must stop, whatever else goes on.
    const deadline = setTimeout(
      () => this.#lose("the lease could not be renewed in time"),
      Math.max(0, left),
    );
    if (this.#term !== undefined) {
      clearTimeout(this.#term.deadline);
      this.#term.deadline = deadline;
      return;
    }
    const abort = new AbortController();
    this.#term = { abort, deadline };
    this.#options.onLead(abort.signal);
  }

  #lose(why: string): void {
    const term = this.#term;
    if (term === undefined) return;
    this.#term = undefined;
    clearTimeout(term.deadline);
    term.abort.abort();
    this.#options.onLost(why);
  }

  #note(round: Round): void {
    const problem = round.kind === "failed" ? round.error.problem : "";
    if (round.kind === "failed" && round.error.failure === "cancelled") return;
    if (problem !== "" && problem !== this.#problem) this.#options.onProblem(problem);
    this.#problem = problem;
  }

  /** Short enough for two tries before the deadline. */
  #call(): ReturnType<ApiCalls["options"]> {
    const timeoutMs = Math.ceil(this.#timings.renewDeadlineMs / 3);
    return this.#options.calls.options(this.#stop.signal, timeoutMs);
  }
}

function wordsOf({ spec }: V1Lease): LeaseWords {
  const seconds = spec?.leaseDurationSeconds ?? 0;
  return {
    holder: spec?.holderIdentity ?? "",
    leaseMs: Math.min(Math.max(seconds * 1000, SHORTEST_LEASE_MS), LONGEST_LEASE_MS),
    // client-node says that it is a Date, and hands over the text that it found.
    renewed: JSON.stringify(spec?.renewTime ?? ""),
    transitions: spec?.leaseTransitions ?? 0,
  };
}
