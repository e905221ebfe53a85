/**
 * Reaching an endpoint: choose one, connect, and try others when that fails or takes long. For requests and for
 * opaque connections alike; nothing of theirs is sent before a connection stands, so whatever they are may go elsewhere.
 */

import { type Refusal, refuse } from "#model/refusal.ts";
import type { Channel, ChannelHandler, CloseCause } from "../engine/channel.ts";
import { Timer, type TimerHandler } from "../engine/timers.ts";
import type { Dial } from "../transport/dial.ts";
import type { Permit } from "./authorize.ts";
import { type LiveEndpoint, liveEndpoint } from "./balance/live-endpoint.ts";
import { connectReason } from "./connect-reason.ts";
import type { HostPort } from "./identify.ts";
import type { Pick } from "./pick.ts";
import type { Plan } from "./plan.ts";
import type { LocalPod } from "./pod.ts";
import type { Recorder } from "./record.ts";
import type { Target } from "./target.ts";

/** The first try and at most this many more, each to another endpoint. */
const MAX_RETRIES = 2;

/** Timers by the loop's clock. */
export interface Timers {
  arm(timer: Timer, delayMs: number): void;
  cancel(timer: Timer | undefined): void;
}

interface Retries {
  readonly retried: Recorder["retried"];
}

/** What is needed of the worker. */
export interface ReachContext {
  readonly dial: Dial;
  readonly timers: Timers;
  readonly recorder: Retries & { readonly reached: Recorder["reached"] };
  /** The loop's clock, milliseconds with fractions, as of this turn: what happens now was ready then. */
  readonly now: () => number;
  /** How long one endpoint may take before another one is tried besides, milliseconds. */
  readonly timeouts: { readonly connectMs: number };
  /** Asked of each endpoint of a permitted connection before it is dialled: the second permit. */
  readonly permitted: (permit: Permit, endpoint: LiveEndpoint) => Refusal | undefined;
  /**
   * Asked when no known endpoint of a plan answers, or none within connectMs, until it says yes: where else the connection
   * may go, the ClusterIP that was dialled, from the pod's own address; undefined = nowhere. A yes is counted and warned of:
   * what fails there has failed as it would without a mesh.
   */
  readonly fallback: (plan: Plan) => HostPort | undefined;
}

/** For what an endpoint is sought. */
export interface ReachInit {
  readonly pod: LocalPod;
  readonly plan: Plan;
  readonly permit: Permit;
  readonly target: Target;
  /** What the choice depends on; endpoints that are dialled are added to `tried`. */
  readonly pick: Pick;
  /** Chosen already: dialled first. */
  readonly first: LiveEndpoint | undefined;
}

/** Told once. */
export interface ReachListener {
  /** The channel is open; its handler is the listener's to set. The endpoint is the listener's to release. */
  onReached(endpoint: LiveEndpoint, channel: Channel): void;
  /** Nobody was reached. All endpoints have been released. */
  onUnreachable(refusal: Refusal): void;
}

/** Chooses one more endpoint to try, and counts that; undefined when there is none or no retry may be. */
export function anotherEndpoint(
  { target, plan }: { readonly target: Target; readonly plan: Plan },
  pick: Pick,
  recorder: Retries,
): LiveEndpoint | undefined {
  if (pick.tried.length > MAX_RETRIES) return undefined;
  const picked = target.pick(pick);
  if (picked.kind === "refusal") return undefined;
  const may = target.mayRetry();
  recorder.retried(plan, may ? "sent" : "no-budget");
  if (may) return picked;
  target.release(picked);
  return undefined;
}

interface Dialled {
  readonly endpoint: LiveEndpoint;
  readonly channel: Channel;
  /** By the loop's clock. */
  readonly atMs: number;
}

/** One search. Begin it with start(); it tells its listener within that call or later. */
export class Reach implements ChannelHandler, TimerHandler {
  readonly #context: ReachContext;
  readonly #init: ReachInit;
  readonly #listener: ReachListener;
  readonly #timer: Timer = new Timer(this);
  readonly #beganMs: number;
  /** Being dialled, oldest first. */
  #dialled: Dialled[] = [];
  #over = false;
  #fellBack = false;

  constructor(context: ReachContext, init: ReachInit, listener: ReachListener) {
    this.#context = context;
    this.#init = init;
    this.#listener = listener;
    this.#beganMs = context.now();
  }

  /** Dials the first endpoint. */
  start(): void {
    const { target, pick, first } = this.#init;
    const picked = first ?? target.pick(pick);
    if (picked.kind === "refusal") this.#end(picked);
    else this.#dial(picked);
  }

  /** Nobody waits any more. */
  cancel(): void {
    if (this.#over) return;
    this.#stop();
  }

  onOpen(channel: Channel): void {
    const won = this.#take(channel);
    if (won === undefined) return;
    this.#stop();
    this.#record(won);
    this.#listener.onReached(won.endpoint, channel);
  }

  onData(): void {
    // Connecting channels have nothing to say.
  }

  onEnd(): void {
    // Likewise.
  }

  onDrain(): void {
    // Nothing was written.
  }

  onClose(channel: Channel, cause: CloseCause): void {
    const failed = this.#take(channel);
    if (failed === undefined) return;
    const { endpoint } = failed;
    const errno = cause.kind === "failed" ? cause.errno : "ECONNRESET";
    this.#init.target.failed(endpoint, "connect");
    this.#init.target.release(endpoint);
    const detail = `${endpoint.address} port ${endpoint.port}: ${errno}`;
    if (this.#another() || this.#dialled.length > 0) return;
    this.#end(refuse(connectReason(errno), detail));
  }

  /**
   * The endpoint's own SYN goes on: an overfull server may still take it first. Where nobody else is known, what was dialled
   * is tried besides: SYNs to the address of a pod that has gone may be lost without a word for minutes.
   */
  onTimer(): void {
    const slow = this.#dialled.at(-1);
    if (slow === undefined) return;
    if (this.#another()) this.#init.target.failed(slow.endpoint, "timeout");
    else this.#fallBack();
  }

  /** Dials one more endpoint; false when there is none or it may not be. */
  #another(): boolean {
    const picked = anotherEndpoint(this.#init, this.#init.pick, this.#context.recorder);
    if (picked === undefined) return false;
    this.#dial(picked);
    return true;
  }

  #dial(endpoint: LiveEndpoint): void {
    const { pod, plan, pick, permit } = this.#init;
    pick.tried.push(endpoint);
    const denied = this.#context.permitted(permit, endpoint);
    if (denied !== undefined) {
      this.#init.target.release(endpoint);
      if (!this.#another() && this.#dialled.length === 0) this.#end(denied);
      return;
    }
    const from = plan.origin.kind === "client-address" ? plan.origin.address : undefined;
    const { address, port } = endpoint;
    const channel = this.#context.dial({ pod, address, port, from }, this);
    this.#dialled.push({ endpoint, channel, atMs: this.#context.now() });
    const { connectMs } = this.#context.timeouts;
    if (connectMs > 0) this.#context.timers.arm(this.#timer, connectMs);
  }

  /** Dials what the client dialled, if nobody else is left and that is allowed. */
  #fallBack(): boolean {
    if (this.#fellBack) return false;
    const to = this.#context.fallback(this.#init.plan);
    if (to === undefined) return false;
    this.#fellBack = true;
    // Of no set: never chosen, never kept for another request.
    const endpoint = liveEndpoint({ ...to, state: "unready" }, 0);
    endpoint.active++;
    this.#dial(endpoint);
    return true;
  }

  #record({ endpoint, channel, atMs }: Dialled): void {
    const { recorder, now } = this.#context;
    const took = { waitMs: now() - this.#beganMs, connectMs: now() - atMs };
    channel.leg.meter = recorder.reached(this.#init.plan, endpoint, took);
  }

  #take(channel: Channel): Dialled | undefined {
    const at = this.#dialled.findIndex((one) => one.channel === channel);
    return at < 0 ? undefined : this.#dialled.splice(at, 1)[0];
  }

  #stop(): void {
    this.#over = true;
    this.#context.timers.cancel(this.#timer);
    const others = this.#dialled;
    this.#dialled = [];
    for (const { endpoint, channel } of others) {
      channel.reset();
      this.#init.target.release(endpoint);
    }
  }

  #end(refusal: Refusal): void {
    if (this.#fallBack()) return;
    this.#stop();
    this.#listener.onUnreachable(refusal);
  }
}
