/** The pods that a worker serves, from the first listener to the last connection. */

import type { Refusal } from "#model/refusal.ts";
import type { Accepted } from "../engine/listen.ts";
import type { Loop } from "../engine/loop.ts";
import { Timer } from "../engine/timers.ts";
import type { Permit } from "../flow/authorize.ts";
import type { LiveEndpoint } from "../flow/balance/live-endpoint.ts";
import { type Attendant, LocalPod, type WorkerTally } from "../flow/pod.ts";
import { Prober } from "../flow/prober.ts";
import { Survey } from "../flow/survey.ts";
import type { PodInit } from "../messages.ts";
import { DONE, type Outcome, type Reply } from "./commands.ts";
import { MovableListener } from "./movable-listener.ts";

/**
 * How long nothing must have been carried before a pod counts as idle and a drain as done, once the kernel sends nothing
 * new: handshakes that were under way end within it (three round trips of 300 ms), and what is left of the last
 * connection's (its FIN). Waiting costs nothing: new connections are elsewhere already.
 */
export const QUIET_MS = 1000;

/**
 * How long what was cut may take to end. A cut resets both sides at once, so what is left then is a bug; main, and with it
 * every other pod, waits no longer for it.
 */
export const CUT_MS = 2000;

/** Where a pod stands in this worker. */
type ServedState =
  | { readonly kind: "serving"; readonly listener: MovableListener }
  /** Everything was cut: forgotten, and main answered, when the last connection has ended or its time is over. */
  | { readonly kind: "ending"; readonly replies: Reply[]; readonly deadline: Timer }
  /** Forgotten, but for connections that a cut did not end: they have the namespace until they do. */
  | { readonly kind: "lingering" }
  /** Nothing is left of it. */
  | { readonly kind: "gone" };

interface ServedPod {
  readonly pod: LocalPod;
  state: ServedState;
  /** Those who want to know when nothing was carried for a while. */
  readonly watchers: Set<Reply>;
  /** Fires then. */
  readonly quiet: Timer;
}

/** What serving pods needs of the worker. */
export interface ServedPodsOptions {
  readonly loop: Loop;
  /** What all pods have together. */
  readonly tally: WorkerTally;
  readonly onAccept: (pod: LocalPod, accepted: Accepted) => void;
  readonly onAcceptFailed: (errno: string, fatal: boolean) => void;
  /** The pod has these addresses (undefined: it is not served any more). */
  readonly onAddresses: (uid: string, addresses: readonly string[] | undefined) => void;
  /** Nothing is carried for one of the pods. */
  readonly onIdle: () => void;
  /** Something is not as it must be; the text says what. */
  readonly onBug: (text: string) => void;
}

/** All pods of one worker. */
export class ServedPods {
  readonly #options: ServedPodsOptions;
  readonly #served: Map<string, ServedPod> = new Map();
  readonly #prober: Prober = new Prober();
  readonly #survey: Survey = new Survey();
  readonly #attendant: Attendant = {
    attend: (direction, client, server) => {
      this.#prober.attend(direction, client, server);
      this.#survey.attend(direction, client, server);
    },
  };

  constructor(options: ServedPodsOptions) {
    this.#options = options;
  }

  /** The pods that are served, or whose connections are being cut. */
  *pods(): Generator<LocalPod, void> {
    for (const { pod } of this.#served.values()) yield pod;
  }

  /** Connections carried for them. */
  get carried(): number {
    return this.#served.values().reduce((sum, { pod }) => sum + pod.carried.size, 0);
  }

  /** Accepts connections of the pod from now on. */
  serve(init: PodInit): Outcome {
    const { loop, tally, onAccept, onAcceptFailed, onAddresses } = this.#options;
    const pod = new LocalPod(init, tally);
    try {
      if (this.#served.has(init.uid)) throw new Error(`pod ${init.uid} is served already`);
      const from = { fd: init.listenerFd, owner: init.owner };
      const listener = new MovableListener(loop, from, {
        onAccept: (accepted) => onAccept(pod, accepted),
        onAcceptFailed,
      });
      const quiet = new Timer({ onTimer: () => pod.carried.size === 0 && answer(served.watchers) });
      const served: ServedPod = {
        ...{ pod, quiet },
        state: { kind: "serving", listener },
        watchers: new Set(),
      };
      this.#served.set(init.uid, served);
      pod.onIdle = () => this.#idle(served);
    } catch (error) {
      loop.system.close(init.listenerFd);
      this.#closeNamespace(pod);
      throw error;
    }
    onAddresses(init.uid, init.addresses);
    return DONE;
  }

  /** Accepts connections of the pod on another listener from now on, after what came to the former one. */
  move(uid: string, listenerFd: number): Outcome {
    const state = this.#served.get(uid)?.state;
    try {
      if (state?.kind !== "serving") throw new Error(`pod ${uid} is not served`);
      state.listener.move(listenerFd);
    } catch (error) {
      this.#options.loop.system.close(listenerFd);
      throw error;
    }
    return DONE;
  }

  /** Answers when nothing was carried for a while. */
  watch(uid: string, reply: Reply): Outcome {
    const served = this.#served.get(uid);
    if (served === undefined) return DONE;
    for (const other of served.watchers) if (!other.open) served.watchers.delete(other);
    served.watchers.add(reply);
    this.#idle(served);
    return "later";
  }

  /** Accepts nothing more and cuts everything; answers when the pod is forgotten. */
  forget(uid: string, reply: Reply): Outcome {
    const served = this.#served.get(uid);
    if (served === undefined) return DONE;
    if (served.state.kind === "ending") served.state.replies.push(reply);
    if (served.state.kind !== "serving") return "later";
    const deadline = new Timer({ onTimer: () => this.#giveUp(served) });
    served.state.listener.close();
    served.state = { kind: "ending", replies: [reply], deadline };
    this.#options.loop.arm(deadline, CUT_MS);
    for (const one of [...served.pod.carried]) one.cut();
    this.#idle(served);
    return "later";
  }

  /** Endpoints that left or may not be used lose their idle connections at once: none is used by mistake. */
  retirePools(usable: (endpoint: LiveEndpoint) => boolean): void {
    for (const pod of this.pods()) pod.retirePools(usable);
  }

  /** What is due every second: byte counters, whether the other ends are still there, and what the kernel knows of the ways. */
  keepHouse(): void {
    this.#prober.begin();
    this.#survey.begin();
    for (const pod of this.pods()) {
      this.#prober.of(pod.netnsCookie);
      for (const one of pod.carried) {
        one.account();
        one.attend(this.#attendant);
      }
    }
  }

  /** What is carried under an older snapshot ends when the new one forbids it. */
  judge(denies: (permit: Permit) => Refusal | undefined): void {
    for (const pod of this.pods())
      for (const one of pod.carried) {
        const denied = denies(one.permit);
        if (denied !== undefined) one.cut(denied);
      }
  }

  /** Something may have become idle. A pod that ends is forgotten as soon as nothing of it is carried. */
  #idle(served: ServedPod): void {
    const { pod, state, watchers, quiet } = served;
    if (pod.carried.size > 0) return;
    if (state.kind === "lingering") this.#leave(served);
    if (state.kind === "ending") this.#forget(served, state);
    if (state.kind === "serving" && watchers.size > 0) this.#options.loop.arm(quiet, QUIET_MS);
    this.#options.onIdle();
  }

  /** A connection that can't be cut must hold neither its pod nor another one. */
  #giveUp(served: ServedPod): void {
    const { pod, state } = served;
    if (state.kind !== "ending") return;
    const left = Array.from(pod.carried, (one) => JSON.stringify(one.describe()));
    this.#options.onBug(
      `pod ${pod.uid} is gone, and ${left.length} of its connections did not end when they were cut: ${left[0]}`,
    );
    this.#forget(served, state);
  }

  #forget(served: ServedPod, { replies, deadline }: ServedState & { kind: "ending" }): void {
    const { pod, watchers, quiet } = served;
    const { loop, onAddresses } = this.#options;
    served.state = { kind: "lingering" };
    loop.cancel(deadline);
    loop.cancel(quiet);
    answer(watchers);
    pod.closeIdle();
    this.#served.delete(pod.uid);
    onAddresses(pod.uid, undefined);
    loop.forgetOwner(pod.owner);
    if (pod.carried.size === 0) this.#leave(served);
    for (const reply of replies) reply.give(DONE);
  }

  #leave(served: ServedPod): void {
    served.state = { kind: "gone" };
    this.#closeNamespace(served.pod);
  }

  #closeNamespace({ netnsFd }: LocalPod): void {
    if (netnsFd >= 0) this.#options.loop.system.close(netnsFd);
  }
}

function answer(watchers: Set<Reply>): void {
  for (const watcher of watchers) watcher.give(DONE);
  watchers.clear();
}
