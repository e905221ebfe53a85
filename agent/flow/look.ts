/** The bounded look at a connection's first bytes, before it is known how to carry it. */

import type { Channel, ChannelHandler, CloseCause } from "../engine/channel.ts";
import { Timer, type TimerHandler } from "../engine/timers.ts";
import { HeldBytes } from "../transport/held-bytes.ts";
import type { Permit } from "./authorize.ts";
import type { Course } from "./course.ts";
import { describePlan } from "./describe.ts";
import { DETECT_TIMEOUT_MS, detect } from "./detect.ts";
import type { Connection } from "./pod.ts";
import type { Timers } from "./reach.ts";

/** What a look found. */
export type Seen =
  /** The client's bytes are held in `bytes[0, length)`. */
  | { readonly kind: "http" | "opaque"; readonly bytes: HeldBytes }
  /** The client said nothing: perhaps its server speaks first. */
  | { readonly kind: "silent" }
  /** The client went away. */
  | { readonly kind: "gone"; readonly cause: CloseCause };

/** Looks at a channel until `decide` is called, once. The next handler must be set by then. */
export class Look implements ChannelHandler, TimerHandler, Connection {
  readonly #channel: Channel;
  readonly #timers: Timers;
  readonly #course: Course;
  readonly #timer: Timer;
  readonly #bytes: HeldBytes;
  readonly #decide: (seen: Seen) => void;
  #over = false;

  constructor(channel: Channel, timers: Timers, course: Course, decide: (seen: Seen) => void) {
    this.#course = course;
    this.#channel = channel;
    this.#bytes = new HeldBytes(channel);
    this.#timers = timers;
    this.#decide = decide;
    this.#timer = new Timer(this);
    channel.handler = this;
    timers.arm(this.#timer, DETECT_TIMEOUT_MS);
  }

  get permit(): Permit {
    return this.#course.permit;
  }

  onOpen(): void {
    // Accepted channels are open from the start.
  }

  onData(_channel: Channel, buffer: Uint8Array, start: number, end: number): void {
    if (!this.#bytes.append(buffer, start, end)) return;
    const seen = detect(this.#bytes.bytes, 0, this.#bytes.length);
    if (seen !== "undecided") this.#end({ kind: seen, bytes: this.#bytes });
  }

  onEnd(channel: Channel): void {
    // Nothing more will come: whatever it is, it is carried as bytes, and so is its end.
    this.#end(this.#bytes.length > 0 ? { kind: "opaque", bytes: this.#bytes } : { kind: "silent" });
    channel.handler.onEnd(channel);
  }

  onDrain(): void {
    // Nothing was written.
  }

  onClose(_channel: Channel, cause: CloseCause): void {
    this.#bytes.clear();
    this.#end({ kind: "gone", cause });
  }

  onTimer(): void {
    this.#end(this.#bytes.length > 0 ? { kind: "opaque", bytes: this.#bytes } : { kind: "silent" });
  }

  drain(): void {
    // Fifty milliseconds at most: then it is carried, and drained as what it is.
  }

  account(): void {
    // Nothing was carried yet.
  }

  attend(): void {
    // Decided before anybody could have vanished.
  }

  describe(): Readonly<Record<string, string | number>> {
    return { protocol: "detect", ...describePlan(this.#course.plan), phase: "looking" };
  }

  cut(): void {
    // Fifty milliseconds old at most, and nothing was carried: it needs no reason.
    this.#channel.reset();
  }

  #end(seen: Seen): void {
    if (this.#over) return;
    this.#over = true;
    this.#timers.cancel(this.#timer);
    this.#decide(seen);
  }
}
