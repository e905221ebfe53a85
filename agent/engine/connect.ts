/** Outbound connections, also from inside another network namespace and with the client's own address. */

import { EADDRNOTAVAIL, EINPROGRESS, EINTR } from "../kernel/errno.ts";
import {
  IP_BIND_ADDRESS_NO_PORT,
  IP_LOCAL_PORT_RANGE,
  IP_TRANSPARENT,
  IPV6_TRANSPARENT,
  SO_OOBINLINE,
  SO_REUSEADDR,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_TCP,
  TCP_NODELAY,
} from "../kernel/socket-constants.ts";
import type { Channel, ChannelHandler } from "./channel.ts";
import type { Loop } from "./loop.ts";
import type { Owner } from "./owner.ts";
import { PlainChannel } from "./plain-channel.ts";
import type { SocketAddress, System } from "./system.ts";

/** Where to connect and as whom. */
export interface ConnectOptions {
  readonly to: SocketAddress;
  /** For whom: fairness and limits. */
  readonly owner: Owner;
  /** Milliseconds until the attempt ends with `ETIMEDOUT`; left out: as long as the namespace's tcp_syn_retries give it. */
  readonly timeoutMs?: number;
  /** Descriptor of the network namespace to connect from; this thread's own when left out. */
  readonly netns?: number;
  /** Given, the socket is one of the agent's own, with that mark. */
  readonly mark?: number;
  /** Local address to use, of the family of `to`; it need not be this host's (IP_TRANSPARENT). Port 0: the kernel chooses. */
  readonly source?: SocketAddress;
  /** From where the kernel chooses the local port; given, it is searched for in parts of it. */
  readonly localPorts?: LocalPorts;
}

/** A namespace's local ports, both ends included. */
interface LocalPorts {
  readonly first: number;
  readonly last: number;
}

/** How many ports one connect() may look at, and how many such searches a connection gets. */
const SEARCHED_PORTS = 256;
const SEARCHES = 8;

/**
 * Starts connecting. The handler's onOpen follows, or onClose with the errno's name (`ECONNREFUSED`,
 * `ETIMEDOUT`, `EMFILE`…); never inside this call. The socket sends small segments at once (TCP_NODELAY).
 */
export function connect(loop: Loop, options: ConnectOptions, handler: ChannelHandler): Channel {
  const { owner, timeoutMs = 0 } = options;
  const fd = loop.system.socket(options.to.ip, options.netns ?? -1);
  const failure = fd < 0 ? fd : begin(loop.system, fd, options);
  const common = { fd, owner, handler, connectTimeoutMs: timeoutMs };
  return new PlainChannel(loop, failure < 0 ? { ...common, failure } : common);
}

function begin(system: System, fd: number, options: ConnectOptions): number {
  const prepared = prepare(system, fd, options);
  if (prepared < 0) return prepared;
  const result = search(system, fd, options);
  // An interrupted connect goes on by itself (connect(2)), like one that takes time.
  return result === -EINPROGRESS || result === -EINTR ? 0 : result;
}

/**
 * Left alone the kernel looks at all its ports: 8 ms, once the pod has as many connections to one address as half its
 * range, TIME_WAIT included; and every other pod of this thread waits meanwhile. Linux before 6.3 is left alone.
 */
function search(system: System, fd: number, { to, localPorts }: ConnectOptions): number {
  if (localPorts === undefined) return system.connect(fd, to);
  for (let searches = 1; ; searches++) {
    const part = partOf(localPorts, Math.random());
    const narrowed = system.setOption(
      fd,
      SOL_IP,
      IP_LOCAL_PORT_RANGE,
      (part.last << 16) | part.first,
    );
    const result = system.connect(fd, to);
    if (result !== -EADDRNOTAVAIL || narrowed < 0 || searches === SEARCHES) return result;
  }
}

/** The part of the range that begins at `at`, 0 (its first port) to 1 (as late as the part fits). */
function partOf({ first, last }: LocalPorts, at: number): LocalPorts {
  const begin = first + Math.floor(at * Math.max(1, last - first - SEARCHED_PORTS + 2));
  return { first: begin, last: Math.min(last, begin + SEARCHED_PORTS - 1) };
}

function prepare(system: System, fd: number, options: ConnectOptions): number {
  const noDelay = system.setOption(fd, SOL_TCP, TCP_NODELAY, 1);
  if (noDelay < 0) return noDelay;
  const inline = system.setOption(fd, SOL_SOCKET, SO_OOBINLINE, 1);
  if (inline < 0) return inline;
  if (options.mark !== undefined) {
    const claimed = system.claim(fd, options.mark);
    if (claimed < 0) return claimed;
  }
  return options.source === undefined ? 0 : bindSource(system, fd, options.source);
}

function bindSource(system: System, fd: number, source: SocketAddress): number {
  const transparent = source.ip.includes(":")
    ? system.setOption(fd, SOL_IPV6, IPV6_TRANSPARENT, 1)
    : system.setOption(fd, SOL_IP, IP_TRANSPARENT, 1);
  if (transparent < 0) return transparent;
  const [name, level] =
    source.port === 0 ? [IP_BIND_ADDRESS_NO_PORT, SOL_IP] : [SO_REUSEADDR, SOL_SOCKET];
  const shared = system.setOption(fd, level, name, 1);
  return shared < 0 ? shared : system.bind(fd, source);
}
