/** Watching over a peer that says nothing: the kernel's probes and time-outs of one socket. */

import {
  SO_KEEPALIVE,
  SOL_SOCKET,
  SOL_TCP,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_USER_TIMEOUT,
} from "../kernel/socket-constants.ts";
import type { System, ToldPatience } from "./system.ts";

/** How long a connection bears a peer that is silent, in tcp(7)'s terms. */
export interface Patience {
  /** Seconds of silence before the first probe, 1 to 32767; 0: as the socket's namespace has it. */
  readonly idleS: number;
  /** Seconds between two probes, 1 to 32767; 0 as above. */
  readonly intervalS: number;
  /** How many probes without an answer, 1 to 127; 0 as above. */
  readonly probes: number;
  /** Milliseconds that sent bytes (and probes) may go unanswered; 0: as net.ipv4.tcp_retries2 has it. */
  readonly userTimeoutMs: number;
}

/** A channel whose other end is an application's socket of this machine. */
export interface Near {
  peerPatience(netns: bigint): ToldPatience | undefined;
}

/** What the kernel has by default where a value was set and shall be its own again (tcp(7)). */
const KERNEL_IDLE_S = 7200;
const KERNEL_INTERVAL_S = 75;
const KERNEL_PROBES = 9;

/** A socket that was told nothing yet. */
const NOTHING: Patience = { idleS: 0, intervalS: 0, probes: 0, userTimeoutMs: 0 };

/** Of one open socket. */
export class Vigil {
  readonly #system: System;
  readonly #fd: number;
  #borne: Patience | undefined = undefined;
  #near: Near | undefined = undefined;
  #told: ToldPatience | undefined = undefined;

  constructor(system: System, fd: number) {
    this.#system = system;
    this.#fd = fd;
  }

  /** What the socket was told last. */
  get patience(): Patience | undefined {
    return this.#borne;
  }

  /**
   * What the application at the other end of `near` told its socket, which is of this machine, in the namespace of that
   * cookie. Asked once for each `near`, and `again`; what was said once holds until something else is.
   */
  ask(near: Near | undefined, netns: bigint, again: boolean): ToldPatience | undefined {
    if (near === this.#near && !again) return this.#told;
    const former = near === this.#near ? this.#told : undefined;
    this.#near = near;
    this.#told = near?.peerPatience(netns) ?? former;
    return this.#told;
  }

  /** Bytes that the peer has not acknowledged yet. */
  get unsentBytes(): number {
    return Math.max(0, this.#system.unsentBytes(this.#fd));
  }

  /** The socket probes from now on, and bears silence that long, counted from the peer's last word. */
  bear(patience: Patience): void {
    const former = this.#borne;
    if (patience === former) return;
    this.#borne = patience;
    // First: the kernel then counts what follows from the peer's last word, not from now.
    if (former === undefined) this.#set(SOL_SOCKET, SO_KEEPALIVE, 1);
    const { idleS, intervalS, probes, userTimeoutMs } = former ?? NOTHING;
    this.#change(TCP_KEEPINTVL, intervalS, patience.intervalS, KERNEL_INTERVAL_S);
    this.#change(TCP_KEEPCNT, probes, patience.probes, KERNEL_PROBES);
    this.#change(TCP_KEEPIDLE, idleS, patience.idleS, KERNEL_IDLE_S);
    this.#change(TCP_USER_TIMEOUT, userTimeoutMs, patience.userTimeoutMs, 0);
  }

  #change(name: number, former: number, wanted: number, kernels: number): void {
    if (wanted !== former) this.#set(SOL_TCP, name, wanted || kernels);
  }

  /** A refusal changes nothing that worked: the socket may have ended, which its channel is about to hear. */
  #set(level: number, name: number, value: number): void {
    this.#system.setOption(this.#fd, level, name, value);
  }
}
