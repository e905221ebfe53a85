/** Where a PlainChannel is in its life, and how it is made. */

import {
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
} from "../kernel/socket-constants.ts";
import type { ChannelHandler } from "./channel.ts";
import type { Owner } from "./owner.ts";

/** What of its socket a channel hears. */
export const WATCHED: number = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET;
/** After any of these a short read does not mean that the next read would block. */
export const READ_ON: number = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
/** Any of these means that reading is worth a try. */
export const READABLE: number = EPOLLIN | READ_ON;

/**
 * Where a channel is. `connecting` → `open` → one of the ways out → `closed`:
 * `closing` sends its queue, then FIN; `lingering` waits for the peer's FIN; `resetting` sends its queue and
 * waits for acknowledgement, then RST; `ended` has its cause and waits for its turn to tell onClose.
 */
export type ChannelState =
  | "connecting"
  | "open"
  | "closing"
  | "lingering"
  | "resetting"
  | "ended"
  | "closed";

/** How a PlainChannel is made. */
export interface PlainChannelOptions {
  /** A non-blocking socket that the channel owns from now on, or -1 when there is none (see `failure`). */
  readonly fd: number;
  readonly owner: Owner;
  readonly handler: ChannelHandler;
  /** Set for an outbound connection: how long it may take, in milliseconds; 0 as long as the kernel tries. */
  readonly connectTimeoutMs?: number;
  /** A negative errno when the channel could not even be begun: only onClose follows. */
  readonly failure?: number;
}
