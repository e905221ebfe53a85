/**
 * agent/transport reaches the next hop: how a connection towards an endpoint is opened, spoken on and kept
 * for reuse. May import model, engine, http and identity. Must not decide where anything goes: that is flow's.
 *
 * This file: the one way a socket towards a next hop comes to be. `plaintext.ts` is today's implementation;
 * the tunnel (mutual TLS) will be another with the same shape.
 */

import type { PortRange } from "#model/enrolment.ts";
import type { Channel, ChannelHandler } from "../engine/channel.ts";

/** Where to connect and from where, as the kernel must see it. */
export interface DialTarget {
  /** The pod whose network namespace the socket is made in, and whose budgets it counts against. */
  readonly pod: DialPod;
  /** Canonical text form. */
  readonly address: string;
  readonly port: number;
  /** The socket is bound to this address (transparent) so that the server sees the client; undefined: the pod's own. */
  readonly from: string | undefined;
}

/** What dialling needs of a pod. */
export interface DialPod {
  /** Descriptor of the pod's network namespace. */
  readonly netnsFd: number;
  /** From where the kernel chooses ports in there. */
  readonly localPorts: PortRange;
  /** Owner number of the pod in the engine: fairness and byte budgets are kept by it. */
  readonly owner: number;
}

/** Opens a channel; its handler hears onOpen, or onClose with the errno. Never throws for what the network does. */
export type Dial = (target: DialTarget, handler: ChannelHandler) => Channel;
