/** Counts the bytes of a connection while it lasts: long ones must be seen before they end. Its leg is counted with it. */

import type { Refusal } from "#model/refusal.ts";
import type { Channel } from "../engine/channel.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import type { ConnectionRecord } from "./record.ts";

/** What one client connection has carried and not yet told. */
export class ByteCount {
  readonly #channel: Channel;
  readonly #record: ConnectionRecord;
  #sent = 0;
  #received = 0;

  constructor(channel: Channel, record: ConnectionRecord) {
    this.#channel = channel;
    this.#record = record;
    channel.leg.meter = record;
  }

  /** All bytes of the client so far. */
  get sent(): number {
    return this.#channel.bytesIn;
  }

  /** All bytes to the client so far. */
  get received(): number {
    return this.#channel.bytesOut;
  }

  /** Bytes of the client since the last time: whoever takes them tells them. */
  takeSent(): number {
    const { bytesIn } = this.#channel;
    const sent = bytesIn - this.#sent;
    this.#sent = bytesIn;
    return sent;
  }

  /** Bytes to the client since the last time: whoever takes them tells them. */
  takeReceived(): number {
    const { bytesOut } = this.#channel;
    const received = bytesOut - this.#received;
    this.#received = bytesOut;
    return received;
  }

  /** Tells what was carried since the last time; `endpoint`: to and from whom, when the connection has several. */
  account(endpoint?: LiveEndpoint): void {
    this.#record.carried(this.takeSent(), this.takeReceived(), endpoint);
  }

  /** The connection has ended. */
  closed(refusal: Refusal | undefined): void {
    this.account();
    this.#record.closed(refusal);
  }
}
