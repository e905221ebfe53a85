/** Counts the bytes of a connection while it lasts: long ones must be seen before they end. */

import type { Refusal } from "#model/refusal.ts";
import type { Channel } from "../engine/channel.ts";
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
  }

  /** Tells what was carried since the last time. */
  account(): void {
    const { bytesIn, bytesOut } = this.#channel;
    this.#record.sent(bytesIn - this.#sent);
    this.#record.received(bytesOut - this.#received);
    this.#sent = bytesIn;
    this.#received = bytesOut;
  }

  /** The connection has ended. */
  closed(refusal: Refusal | undefined): void {
    this.account();
    this.#record.closed(refusal);
  }
}
