/** Outbound connections, also from inside another network namespace and with the client's own address. */

import { EINPROGRESS, EINTR } from "../kernel/errno.ts";
import {
  IP_BIND_ADDRESS_NO_PORT,
  IP_TRANSPARENT,
  IPV6_TRANSPARENT,
  SO_MARK,
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
  /** Milliseconds until the attempt ends with `ETIMEDOUT`. */
  readonly timeoutMs: number;
  /** Descriptor of the network namespace to connect from; this thread's own when left out. */
  readonly netns?: number;
  /** SO_MARK. */
  readonly mark?: number;
  /** Local address to use, of the family of `to`; it need not be this host's (IP_TRANSPARENT). Port 0: the kernel chooses. */
  readonly source?: SocketAddress;
}

/**
 * Starts connecting. The handler's onOpen follows, or onClose with the errno's name (`ECONNREFUSED`,
 * `ETIMEDOUT`, `EMFILE`…); never inside this call. The socket sends small segments at once (TCP_NODELAY).
 */
export function connect(loop: Loop, options: ConnectOptions, handler: ChannelHandler): Channel {
  const { owner, timeoutMs } = options;
  const fd = loop.system.socket(options.to.ip, options.netns ?? -1);
  const failure = fd < 0 ? fd : begin(loop.system, fd, options);
  const common = { fd, owner, handler, connectTimeoutMs: timeoutMs };
  return new PlainChannel(loop, failure < 0 ? { ...common, failure } : common);
}

function begin(system: System, fd: number, options: ConnectOptions): number {
  const prepared = prepare(system, fd, options);
  if (prepared < 0) return prepared;
  const result = system.connect(fd, options.to);
  // An interrupted connect goes on by itself (connect(2)), like one that takes time.
  return result === -EINPROGRESS || result === -EINTR ? 0 : result;
}

function prepare(system: System, fd: number, options: ConnectOptions): number {
  const noDelay = system.setOption(fd, SOL_TCP, TCP_NODELAY, 1);
  if (noDelay < 0) return noDelay;
  const inline = system.setOption(fd, SOL_SOCKET, SO_OOBINLINE, 1);
  if (inline < 0) return inline;
  if (options.mark !== undefined) {
    const marked = system.setOption(fd, SOL_SOCKET, SO_MARK, options.mark);
    if (marked < 0) return marked;
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
