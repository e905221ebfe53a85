/**
 * A conversation with the kernel over netlink, mostly about routing (rtnetlink(7)): one AF_NETLINK socket, one request
 * at a time, answered before the call returns. The socket belongs for ever to the network namespace it
 * was opened in, so it may be used from anywhere later. No `ip` program is ever needed.
 */

import { errnoName } from "./errno.ts";
import { closeDescriptor, openSocket, receiveDatagram, sendDatagram } from "./namespace-calls.ts";
import type { Attribute, NetlinkMessage } from "./netlink-codec.ts";
import {
  decodeMessages,
  encodeMessage,
  NLM_F,
  NLMSG_DONE,
  NLMSG_ERROR,
  viewOf,
} from "./netlink-codec.ts";
import { inNetns } from "./netns.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 0x80003;
/** The kernel's parts that can be talked to (linux/netlink.h). */
export const NETLINK = { ROUTE: 0, SOCK_DIAG: 4 } as const;
/** The kernel fills dumps up to 32 KiB a datagram when the reader offers as much (`netlink_dump`). */
const RECEIVE_BYTES = 65_536;

/** One request: what it is called in errors, and its bytes. */
export interface NetlinkRequest {
  /** For people: "add route 10.0.0.0/8 via …". */
  readonly what: string;
  readonly type: number;
  /** Besides REQUEST and ACK. */
  readonly flags: number;
  /** The fixed structure that this message type starts with. */
  readonly fixed: Uint8Array;
  readonly attributes: readonly Attribute[];
}

/** The kernel refused a request. */
export class NetlinkError extends Error {
  /** Symbolic, for example `EEXIST`. */
  readonly errno: string;

  constructor(what: string, errno: string) {
    super(`could not ${what}: ${errno}`);
    this.name = "NetlinkError";
    this.errno = errno;
  }
}

/** A socket to rtnetlink of one namespace. Dispose it (`using`), or the namespace stays alive. */
export class Netlink implements Disposable {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);
  #sequence = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Sends a request and waits for its acknowledgement. Throws NetlinkError. */
  request(request: NetlinkRequest): void {
    const errno = this.#acknowledged(request);
    if (errno !== undefined) throw new NetlinkError(request.what, errno);
  }

  /** As request(), but one error means "already so": then it returns false, otherwise true. */
  requestUnless(expected: string, request: NetlinkRequest): boolean {
    const errno = this.#acknowledged(request);
    if (errno !== undefined && errno !== expected) throw new NetlinkError(request.what, errno);
    return errno === undefined;
  }

  /** Asks for a list and returns all its messages. Throws NetlinkError. */
  dump(request: Omit<NetlinkRequest, "flags">): readonly NetlinkMessage[] {
    const sequence = this.#send({ ...request, flags: NLM_F.DUMP });
    const found: NetlinkMessage[] = [];
    for (;;) {
      for (const message of this.#receive(sequence)) {
        if (message.type === NLMSG_DONE) return found;
        const errno = errnoOf(message);
        if (errno !== undefined) throw new NetlinkError(request.what, errno);
        found.push(message);
      }
    }
  }

  /** Closes the socket. */
  [Symbol.dispose](): void {
    closeDescriptor(this.#fd);
  }

  #acknowledged(request: NetlinkRequest): string | undefined {
    const sequence = this.#send({ ...request, flags: request.flags | NLM_F.ACK });
    for (;;) {
      const answer = this.#receive(sequence).find((message) => message.type === NLMSG_ERROR);
      if (answer !== undefined) return errnoOf(answer);
    }
  }

  #send(request: NetlinkRequest): number {
    this.#sequence++;
    const bytes = encodeMessage({
      type: request.type,
      flags: request.flags | NLM_F.REQUEST,
      sequence: this.#sequence,
      fixed: request.fixed,
      attributes: request.attributes,
    });
    sendDatagram(this.#fd, bytes);
    return this.#sequence;
  }

  /** The next datagram's messages that answer `sequence`; copies, because the buffer is used again. */
  #receive(sequence: number): readonly NetlinkMessage[] {
    const length = receiveDatagram(this.#fd, this.#buffer);
    return decodeMessages(this.#buffer.slice(0, length)).filter(
      (message) => message.sequence === sequence,
    );
  }
}

/** Opens a conversation about the namespace of that descriptor; without one, about the caller's own. */
export function openNetlink(netns?: number, part: number = NETLINK.ROUTE): Netlink {
  const open = (): number => openSocket(AF_NETLINK, SOCK_RAW_CLOEXEC, part);
  return new Netlink(netns === undefined ? open() : inNetns(netns, open));
}

/** The symbolic error of an NLMSG_ERROR message; undefined when it is an acknowledgement or another type. */
function errnoOf(message: NetlinkMessage): string | undefined {
  if (message.type !== NLMSG_ERROR) return undefined;
  const code = viewOf(message.payload).getInt32(0, true);
  return code === 0 ? undefined : errnoName(code);
}
