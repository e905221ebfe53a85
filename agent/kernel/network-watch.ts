/** Whether interfaces, addresses or routes of a network namespace have changed since it was last asked. */

import { EAGAIN, errnoName } from "./errno.ts";
import { addressOf, lastErrno, libc } from "./ffi.ts";
import { closeDescriptor, openSocket, SystemCallError } from "./namespace-calls.ts";
import { inNetns } from "./netns.ts";

const AF_NETLINK = 16;
const SOCK_RAW_NONBLOCK_CLOEXEC = 0x80803;
const NETLINK_ROUTE = 0;
/** The groups of rtnetlink(7) to hear of: links, then addresses and routes of IPv4 and of IPv6. */
const GROUPS: number = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/** Size of `struct sockaddr_nl`. */
const SOCKADDR_NL_BYTES = 12;
/** Only that something came counts: longer messages are cut. */
const RECEIVE_BYTES = 64;
/** What one call takes of a flood; the rest is news for the next one. */
const MAX_MESSAGES = 256;

/** A subscription. While it is open the namespace stays alive: dispose it. */
export class NetworkWatch implements Disposable {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);

  /** Begins now. Throws SystemCallError. */
  constructor(netns: number) {
    this.#fd = inNetns(netns, () =>
      openSocket(AF_NETLINK, SOCK_RAW_NONBLOCK_CLOEXEC, NETLINK_ROUTE),
    );
    const address = new Uint8Array(SOCKADDR_NL_BYTES);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_NETLINK, true);
    view.setUint32(8, GROUPS, true);
    if (libc.bind(this.#fd, addressOf(address), SOCKADDR_NL_BYTES) === 0) return;
    const errno = errnoName(lastErrno());
    closeDescriptor(this.#fd);
    throw new SystemCallError("hear of a namespace's interfaces and routes", errno);
  }

  /** Whether anything happened. News that were lost (a full buffer) are news. */
  hasChanged(): boolean {
    let changed = false;
    for (let i = 0; i < MAX_MESSAGES; i++) {
      const failed = libc.recv(this.#fd, addressOf(this.#buffer), RECEIVE_BYTES, 0) < 0;
      if (failed && lastErrno() === EAGAIN) return changed;
      changed = true;
    }
    return changed;
  }

  [Symbol.dispose](): void {
    closeDescriptor(this.#fd);
  }
}
