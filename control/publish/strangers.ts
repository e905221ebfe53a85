/**
 * Connections that were not admitted for anything yet: few of one address, not many in all, and none for long. An agent
 * speaks as soon as it is connected, so whoever waited longest is most likely none, and makes room.
 */

import type { Socket } from "node:net";

/** Why a connection was cut; labels of a metric. */
export type CutReason =
  /** It was not admitted in time. */
  | "late"
  /** Its address has too many that were not. */
  | "address"
  /** Its address opens too many in too short a time. */
  | "rate"
  /** There are too many that were not, and its address has most of them. */
  | "all"
  /** It asked too much before it was admitted. */
  | "streams"
  /** It was refused. */
  | "refused"
  /** Its node has newer ones. */
  | "node";

/** What strangers are bounded by. */
export interface StrangersOptions {
  /** Milliseconds from the first packet until it must have been admitted. */
  readonly lateMs: number;
  readonly onCut: (reason: CutReason) => void;
}

/** Of one address: a hundred agents may come at once from behind one, and each is a stranger for milliseconds. */
const MAX_OF_ADDRESS = 128;
/** In all. */
const MAX_IN_ALL = 1024;
/** New ones of one address at once (all agents of a large cluster may come back from behind one), and then a second: each costs a handshake, a millisecond. */
const NEW_AT_ONCE = 1024;
const NEW_A_SECOND = 200;
/** Addresses whose new connections are counted; the one that came last longest ago is forgotten first. */
const MAX_ADDRESSES = 4096;

interface Stranger {
  readonly socket: Socket;
  readonly timer: NodeJS.Timeout;
}

/** What tells a connection from others: TLS wraps the socket, and both have this. */
type Peer = Pick<Socket, "remoteAddress" | "remotePort">;

/** The strangers of one server. */
export class Strangers {
  readonly #options: StrangersOptions;
  /** By address, and there by port; the oldest first. */
  readonly #strangers = new Map<string, Map<number, Stranger>>();
  /** What each address may still open at once, and when that was so (ms). */
  readonly #allowed = new Map<string, { readonly left: number; readonly at: number }>();
  #count = 0;

  constructor(options: StrangersOptions) {
    this.#options = options;
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** A connection was accepted. */
  add(socket: Socket): void {
    const { remoteAddress: address = "", remotePort: port = 0 } = socket;
    if (!this.#mayOpen(address)) {
      socket.destroy();
      this.#options.onCut("rate");
      return;
    }
    const timer = setTimeout(() => this.#cut(address, "late", port), this.#options.lateMs);
    timer.unref();
    const all = this.#strangers.getOrInsertComputed(address, () => new Map());
    all.set(port, { socket, timer });
    this.#count++;
    socket.once("close", () => this.#forget(address, port, socket));
    if (all.size > MAX_OF_ADDRESS) this.#cut(address, "address");
    else if (this.#count > MAX_IN_ALL) this.#cut(this.#mostFrequent(), "all");
  }

  /** It was admitted. */
  admitted({ remoteAddress = "", remotePort = 0 }: Peer): void {
    this.#forget(remoteAddress, remotePort);
  }

  /** Cuts one. No farewell: whoever does not go by it could go on asking. */
  cut({ remoteAddress = "", remotePort = 0 }: Peer, reason: CutReason): void {
    this.#cut(remoteAddress, reason, remotePort);
  }

  #mayOpen(address: string): boolean {
    const now = performance.now();
    const known = this.#allowed.get(address);
    const earned = known === undefined ? 0 : ((now - known.at) / 1000) * NEW_A_SECOND;
    const left = Math.min(NEW_AT_ONCE, (known?.left ?? NEW_AT_ONCE) + earned);
    this.#allowed.delete(address);
    this.#allowed.set(address, { left: left < 1 ? left : left - 1, at: now });
    const [oldest] = this.#allowed.keys();
    if (this.#allowed.size > MAX_ADDRESSES && oldest !== undefined) this.#allowed.delete(oldest);
    return left >= 1;
  }

  /** Cuts the oldest of an address, or the one that is named by its port. */
  #cut(address: string, reason: CutReason, named?: number): void {
    const all = this.#strangers.get(address);
    const port = named ?? all?.keys().next().value;
    const stranger = port === undefined ? undefined : all?.get(port);
    if (port === undefined || stranger === undefined) return;
    this.#forget(address, port);
    stranger.socket.destroy();
    this.#options.onCut(reason);
  }

  #mostFrequent(): string {
    let most = "";
    let count = 0;
    for (const [address, { size }] of this.#strangers)
      if (size > count) [most, count] = [address, size];
    return most;
  }

  /** `socket`: only if it is still this one's; ports are used again. */
  #forget(address: string, port: number, socket?: Socket): void {
    const all = this.#strangers.get(address);
    const stranger = all?.get(port);
    if (all === undefined || stranger === undefined) return;
    if (socket !== undefined && stranger.socket !== socket) return;
    clearTimeout(stranger.timer);
    all.delete(port);
    this.#count--;
    if (all.size === 0) this.#strangers.delete(address);
  }
}
