/**
 * What the kernel knows of one channel's way to its peer, told to a meter as differences: when the channel ends, and
 * whenever somebody looks before. Nothing is told twice. A channel without a meter is never looked at.
 */

import type { Loop } from "./loop.ts";
import { TcpFigures } from "./system.ts";

/** Counts what is told of channels; one may serve many. */
export interface Meter {
  /**
   * What is new since the last look. The round-trip times are 0 when nothing was acknowledged in between: then they are
   * no news. The object is valid during this call only, which may happen inside any call to the channel: do nothing but
   * count.
   */
  note(news: TcpFigures): void;
  /** The channel ends, after its last note; exactly once. Under the same rule. */
  ended?(): void;
}

/** What a leg reads of its channel. */
interface Sending {
  readonly fd: number;
  /** Bytes that the kernel has taken. */
  readonly bytes: number;
  /** The connection was begun here: the kernel counts its SYN as an acknowledged byte. */
  readonly dialled: boolean;
}

const NOTHING: TcpFigures = new TcpFigures();

/** One channel's. */
export class Leg {
  /** Who is told. */
  meter: Meter | undefined = undefined;
  readonly #loop: Loop;
  readonly #sending: Sending;
  /** All that was told so far; short connections are looked at once and need none. */
  #told: TcpFigures | undefined = undefined;

  constructor(loop: Loop, sending: Sending) {
    this.#loop = loop;
    this.#sending = sending;
  }

  /** Whether the peer is known to have acknowledged every byte; false without a meter. One system call for this and end(). */
  get arrived(): boolean {
    if (this.meter === undefined || !this.#read()) return false;
    return this.#acked() === this.#sending.bytes;
  }

  /** Tells what is new of a channel that goes on. */
  look(): void {
    if (this.meter === undefined) return;
    // Everything had arrived and nothing was sent since: there is no news.
    if (this.#told !== undefined && this.#told.ackedBytes === this.#sending.bytes) return;
    if (!this.#read()) return;
    this.#tell();
    this.#told ??= new TcpFigures();
    const { figures } = this.#loop.looks;
    this.#told.sentSegments = figures.sentSegments;
    this.#told.retransmittedSegments = figures.retransmittedSegments;
    this.#told.duplicateSegments = figures.duplicateSegments;
    this.#told.ackedBytes = this.#acked();
  }

  /** Tells the rest. The channel ends, and its socket is still there. */
  end(): void {
    const { meter } = this;
    if (meter === undefined) return;
    if (this.#read()) this.#tell();
    this.meter = undefined;
    meter.ended?.();
  }

  #read(): boolean {
    return this.#loop.looks.at(this, this.#sending.fd, this.#loop.now);
  }

  /** Of the bytes that were sent, without SYN and FIN. */
  #acked(): number {
    const { bytes, dialled } = this.#sending;
    const { ackedBytes } = this.#loop.looks.figures;
    return Math.min(bytes, Math.max(0, ackedBytes - (dialled ? 1 : 0)));
  }

  #tell(): void {
    const { figures, news } = this.#loop.looks;
    const told = this.#told ?? NOTHING;
    const acked = this.#acked();
    // The first look has the handshake's at least.
    const measured = this.#told === undefined || acked > told.ackedBytes;
    news.roundTripUs = measured ? figures.roundTripUs : 0;
    news.leastRoundTripUs = measured ? figures.leastRoundTripUs : 0;
    news.sentSegments = figures.sentSegments - told.sentSegments;
    news.retransmittedSegments = figures.retransmittedSegments - told.retransmittedSegments;
    news.duplicateSegments = figures.duplicateSegments - told.duplicateSegments;
    news.ackedBytes = acked - told.ackedBytes;
    this.meter?.note(news);
  }
}
