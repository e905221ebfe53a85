/** Stage carry for opaque bytes: choose an endpoint, connect, relay both ways, record. */

import { type Refusal, refuse } from "#model/refusal.ts";
import type { Channel, ChannelHandler, CloseCause } from "../engine/channel.ts";
import type { HeldBytes } from "../transport/held-bytes.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import type { PickRequest } from "./balance/pickers.ts";
import { connectReason } from "./connect-reason.ts";
import type { Carried, LocalPod } from "./pod.ts";
import type { ConnectionRecord } from "./record.ts";
import type { HttpContext } from "./request/context.ts";
import { pickRequestOfConnection } from "./request/pick-request.ts";
import type { Route } from "./route.ts";
import type { Tie, TieEnd } from "./tie.ts";

/** The first try and at most this many more, each to another endpoint. */
const MAX_RETRIES = 2;

/** What makes one opaque connection what it is. */
export interface OpaqueInit {
  readonly channel: Channel;
  readonly pod: LocalPod;
  readonly route: Route;
  /** Bytes of the client that were looked at already. */
  readonly first: HeldBytes | undefined;
  readonly tie: Tie;
  readonly ended: (connection: OpaqueConnection) => void;
  /** Told when the server speaks before the client does. */
  readonly onServerFirst?: ((bytes: Uint8Array) => void) | undefined;
}

/** A connection carried as bytes. While it connects, it handles both channels; then the relay does. */
export class OpaqueConnection implements ChannelHandler, Carried {
  readonly #context: HttpContext;
  readonly #init: OpaqueInit;
  readonly #tried: LiveEndpoint[] = [];
  readonly #request: PickRequest;
  #endpoint: LiveEndpoint | undefined;
  #upstream: Channel | undefined;
  #relaying = false;
  #sent = 0;
  #received = 0;
  #record: ConnectionRecord | undefined;
  #startedAt = 0;
  #clientEnded = false;
  #over = false;

  constructor(context: HttpContext, init: OpaqueInit) {
    this.#context = context;
    this.#init = init;
    this.#request = pickRequestOfConnection(init.route.plan.clientAddress, this.#tried);
    init.channel.handler = this;
    // The kernel keeps the client's bytes until there is somewhere to send them.
    init.channel.pause();
    init.route.target.deposit();
    this.#connect();
  }

  /** Whether it ended already, possibly before it began. */
  get over(): boolean {
    return this.#over;
  }

  onOpen(upstream: Channel): void {
    const { channel, first, route } = this.#init;
    const endpoint = this.#endpoint as LiveEndpoint;
    route.target.answered(endpoint, this.#context.fineNow() - this.#startedAt);
    this.#record = this.#context.recorder.connection(route.plan, endpoint, "bytes");
    if (first !== undefined && first.length > 0) {
      upstream.write(first.bytes, 0, first.length);
      first.clear();
    }
    this.#relaying = true;
    this.#init.tie(channel, upstream, {
      onEnd: (end) => this.#ended(end),
      onServerFirst: this.#clientSpoke() ? undefined : this.#init.onServerFirst,
    });
    if (this.#clientEnded) channel.handler.onEnd(channel);
  }

  onData(_channel: Channel, buffer: Uint8Array, start: number, end: number): void {
    // The client's channel is paused and the server's is not open: what comes now was already read.
    this.#init.first?.append(buffer, start, end);
  }

  onEnd(channel: Channel): void {
    if (channel === this.#init.channel) this.#clientEnded = true;
  }

  onDrain(): void {
    // Nothing is written before the relay begins.
  }

  onClose(channel: Channel, cause: CloseCause): void {
    if (this.#over) return;
    if (channel === this.#init.channel) {
      this.#upstream?.reset();
      this.#finish(undefined);
      return;
    }
    if (channel !== this.#upstream) return;
    this.#connectFailed(cause.kind === "failed" ? cause.errno : "ECONNRESET");
  }

  drain(): void {
    // Bytes in flight have no end that the mesh could know: they go on until the deadline.
  }

  cut(why?: Refusal): void {
    this.#init.channel.reset();
    this.#upstream?.reset();
    this.#finish(why);
  }

  account(): void {
    const { bytesIn, bytesOut } = this.#init.channel;
    this.#record?.sent(bytesIn - this.#sent);
    this.#record?.received(bytesOut - this.#received);
    this.#sent = bytesIn;
    this.#received = bytesOut;
  }

  describe(): Readonly<Record<string, string | number>> {
    const { direction, destination, clientAddress } = this.#init.route.plan;
    return {
      protocol: "opaque",
      direction,
      client: clientAddress,
      destination: `${destination.address} ${destination.port}`,
      endpoint:
        this.#endpoint === undefined ? "" : `${this.#endpoint.address} ${this.#endpoint.port}`,
      phase: this.#relaying ? "relaying" : "connecting",
    };
  }

  #clientSpoke(): boolean {
    return this.#init.channel.bytesIn > 0;
  }

  #connect(): void {
    const { pod, route } = this.#init;
    const picked = route.target.pick(this.#request);
    if (picked.kind === "refusal") {
      this.#refuse(picked);
      return;
    }
    this.#endpoint = picked;
    this.#startedAt = this.#context.fineNow();
    const { origin } = route.plan;
    const from = origin.kind === "client-address" ? origin.address : undefined;
    const { address, port } = picked;
    this.#upstream = this.#context.dial({ pod, address, port, from }, this);
  }

  /** Nothing was sent yet, so another endpoint may be tried. */
  #connectFailed(errno: string): void {
    const { target } = this.#init.route;
    const endpoint = this.#endpoint as LiveEndpoint;
    target.failed(endpoint, "connect");
    target.release(endpoint);
    this.#endpoint = undefined;
    this.#tried.push(endpoint);
    const refusal = refuse(
      connectReason(errno),
      `${endpoint.address} port ${endpoint.port}: ${errno}`,
    );
    if (this.#tried.length > MAX_RETRIES || !target.mayRetry()) {
      this.#refuse(refusal);
      return;
    }
    const picked = target.pick(this.#request);
    if (picked.kind === "refusal") {
      this.#refuse(refusal);
      return;
    }
    target.release(picked);
    this.#connect();
  }

  #ended(end: TieEnd): void {
    this.#finish(
      end === "idle" ? refuse("idle-timeout", "nothing was sent either way") : undefined,
    );
  }

  #refuse(refusal: Refusal): void {
    const { channel, route } = this.#init;
    this.#record ??= this.#context.recorder.connection(route.plan, undefined, "bytes");
    this.#finish(refusal);
    channel.reset();
  }

  #finish(refusal: Refusal | undefined): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#endpoint !== undefined) this.#init.route.target.release(this.#endpoint);
    this.account();
    this.#record?.closed(refusal);
    this.#init.ended(this);
  }
}
