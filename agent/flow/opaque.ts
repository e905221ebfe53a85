/** Stage carry for opaque bytes: reach an endpoint, relay both ways, record. */

import type { Refusal } from "#model/refusal.ts";
import type { Channel, ChannelHandler } from "../engine/channel.ts";
import type { HeldBytes } from "../transport/held-bytes.ts";
import type { Permit } from "./authorize.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import { ByteCount } from "./byte-count.ts";
import type { Course } from "./course.ts";
import { describePlan } from "./describe.ts";
import { pickRequestOfConnection } from "./pick.ts";
import type { Attendant, Connection, LocalPod } from "./pod.ts";
import { Reach, type ReachContext, type ReachListener } from "./reach.ts";
import type { Recorder } from "./record.ts";
import type { CutTie, Tie } from "./tie.ts";

/** What opaque connections need of the worker. */
export interface OpaqueContext extends ReachContext {
  readonly recorder: Recorder;
  readonly tie: Tie;
}

/** What makes one opaque connection what it is. */
export interface OpaqueInit {
  readonly channel: Channel;
  readonly pod: LocalPod;
  readonly course: Course;
  /** Bytes of the client that were looked at already. */
  readonly first: HeldBytes | undefined;
  readonly ended: (connection: OpaqueConnection) => void;
  /** Told when the server speaks before the client does. */
  readonly onServerFirst?: ((bytes: Uint8Array) => void) | undefined;
}

/** Where the connection stands; until it is tied, this object handles the client's channel. */
type State =
  | { readonly at: "reaching"; readonly reach: Reach; readonly clientEnded: boolean }
  | {
      readonly at: "tied";
      readonly endpoint: LiveEndpoint;
      readonly upstream: Channel;
      readonly count: ByteCount;
      readonly cut: CutTie;
    }
  | { readonly at: "over" };

const OVER: State = { at: "over" };

/** A connection carried as bytes. */
export class OpaqueConnection implements ChannelHandler, Connection, ReachListener {
  readonly #context: OpaqueContext;
  readonly #init: OpaqueInit;
  readonly #startedAt: number;
  #state: State;

  constructor(context: OpaqueContext, init: OpaqueInit) {
    this.#context = context;
    this.#init = init;
    this.#startedAt = context.now();
    init.channel.handler = this;
    // The kernel keeps the client's bytes until there is somewhere to send them.
    init.channel.pause();
    const { pod, course } = init;
    const { plan, target, permit } = course;
    target.deposit();
    const pick = pickRequestOfConnection(plan.clientAddress);
    const reach = new Reach(context, { pod, plan, permit, target, pick, first: undefined }, this);
    this.#state = { at: "reaching", reach, clientEnded: false };
    reach.start();
  }

  /** Whether it ended already, possibly before it began. */
  get over(): boolean {
    return this.#state.at === "over";
  }

  get permit(): Permit {
    return this.#init.course.permit;
  }

  onReached(endpoint: LiveEndpoint, upstream: Channel): void {
    if (this.#state.at !== "reaching") return;
    const { channel, first, course } = this.#init;
    const { clientEnded } = this.#state;
    course.target.answered(endpoint, this.#context.now() - this.#startedAt);
    const record = this.#context.recorder.connection(course.plan, endpoint, "bytes");
    if (first !== undefined && first.length > 0) {
      upstream.write(first.bytes, 0, first.length);
      first.clear();
    }
    const count = new ByteCount(channel, record);
    const cut = this.#context.tie(channel, upstream, {
      onEnd: (why) => this.#end(why),
      onServerFirst: channel.bytesIn > 0 ? undefined : this.#init.onServerFirst,
    });
    this.#state = { at: "tied", endpoint, upstream, count, cut };
    if (clientEnded) channel.handler.onEnd(channel);
  }

  onUnreachable(refusal: Refusal): void {
    this.#end(refusal);
    this.#init.channel.reset();
  }

  onOpen(): void {
    // Accepted channels are open from the start.
  }

  onData(_channel: Channel, buffer: Uint8Array, start: number, end: number): void {
    // The client's channel is paused: what comes now was already read.
    this.#init.first?.append(buffer, start, end);
  }

  onEnd(): void {
    if (this.#state.at === "reaching") this.#state = { ...this.#state, clientEnded: true };
  }

  onDrain(): void {
    // Nothing is written before both sides are tied.
  }

  onClose(): void {
    if (this.#state.at !== "reaching") return;
    this.#state.reach.cancel();
    this.#end(undefined);
  }

  drain(): void {
    // Bytes in flight have no end that the mesh could know: they go on until the deadline.
  }

  cut(why?: Refusal): void {
    switch (this.#state.at) {
      case "reaching":
        this.#state.reach.cancel();
        this.#end(why);
        this.#init.channel.reset();
        return;
      case "tied":
        this.#state.cut(why);
        return;
      case "over":
        return;
    }
  }

  account(): void {
    if (this.#state.at === "tied") this.#state.count.account();
  }

  attend(attendant: Attendant): void {
    const server = this.#state.at === "tied" ? this.#state.upstream : undefined;
    attendant.attend(this.#init.course.plan.direction, this.#init.channel, server);
  }

  describe(): Readonly<Record<string, string | number>> {
    const endpoint = this.#state.at === "tied" ? this.#state.endpoint : undefined;
    return {
      protocol: "opaque",
      ...describePlan(this.#init.course.plan),
      endpoint: endpoint === undefined ? "" : `${endpoint.address} ${endpoint.port}`,
      phase: this.#state.at === "tied" ? "relaying" : "connecting",
    };
  }

  #end(refusal: Refusal | undefined): void {
    const state = this.#state;
    if (state.at === "over") return;
    this.#state = OVER;
    const { course, ended, first } = this.#init;
    first?.clear();
    if (state.at === "tied") {
      course.target.release(state.endpoint);
      state.count.closed(refusal);
    } else if (refusal !== undefined)
      this.#context.recorder.connection(course.plan, undefined, "bytes").closed(refusal);
    ended(this);
  }
}
