/**
 * The agent's listening sockets inside a pod's network namespace: dual-stack, transparent (so that an
 * accepted socket's own address is what the client dialled), one per data worker in one reuseport group.
 *
 * They are bound to 192.0.0.8, the IPv4 dummy address (RFC 7600), which nobody can dial: connections reach
 * them only through sk_lookup. So a pod's port is never taken away, a direct hit finds nothing there, and the
 * agent can't be made to connect to itself. An IPv4-mapped address, because binding to a plain IPv6 address
 * makes the kernel refuse IPv4 for the socket. A kernel without IPv6 gets plain IPv4 listeners.
 */

import { EAFNOSUPPORT, errnoName } from "../kernel/errno.ts";
import {
  IP_TRANSPARENT,
  IPV6_TRANSPARENT,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
} from "../kernel/socket-constants.ts";
import { Sockets } from "../kernel/sockets.ts";

/** How a listener is made. */
interface Family {
  /** Any address of its family. */
  readonly any: string;
  /** Where it is bound: RFC 7600 section 4.8. */
  readonly ip: string;
  /** What lets it have connections to foreign addresses: level and name of each option. */
  readonly transparent: readonly (readonly [number, number])[];
}

const IPV4: Family = { any: "0.0.0.0", ip: "192.0.0.8", transparent: [[SOL_IP, IP_TRANSPARENT]] };
const DUAL_STACK: Family = {
  any: "::",
  ip: "::ffff:192.0.0.8",
  transparent: [...IPV4.transparent, [SOL_IPV6, IPV6_TRANSPARENT]],
};
/**
 * Outside the ports that kernels choose by default (32768 to 60999), and each time another one of many, since a
 * wildcard bind() of an application to the same port would fail. One that an application asks for is left to it.
 */
const FIRST_PORT = 61_000;
const PORT_COUNT = 4_536;
/** How many are tried: a few in a row may be taken. */
const TRIES = 100;
/** Half-open and not yet accepted connections per worker; the kernel caps it at net.core.somaxconn. */
const BACKLOG = 4096;

/** What listeners need of the system calls. */
export type ListenerSockets = Pick<
  Sockets,
  "socket" | "setOption" | "bind" | "listen" | "close" | "dispose"
>;

/** Listening sockets of one group. */
export interface OpenListeners {
  readonly fds: readonly number[];
  readonly port: number;
}

/** What openListeners() may be told. */
export interface ListenersWish {
  /** A port that it must not be. */
  readonly avoid?: number;
  /** Only for tests; disposed of. */
  readonly sockets?: ListenerSockets;
}

/** Opens `count` listeners in the namespace. Throws ListenError and leaves none open then. */
export function openListeners(
  netns: number,
  count: number,
  { avoid, sockets = new Sockets() }: ListenersWish = {},
): OpenListeners {
  const fds: number[] = [];
  const first = Math.floor(Math.random() * PORT_COUNT);
  const ports = Array.from({ length: TRIES }, (_, i) => FIRST_PORT + ((first + i) % PORT_COUNT));
  const free = ports.filter((port) => port !== avoid);
  try {
    let tried = 0;
    while (fds.length < count) {
      const fd = listenerOn(sockets, netns, free[tried] ?? FIRST_PORT);
      if (fd >= 0) fds.push(fd);
      else if (fds.length > 0 || ++tried === free.length) throw new ListenError(errnoName(fd));
    }
    return { fds, port: free[tried] ?? FIRST_PORT };
  } catch (error) {
    closeListeners(fds);
    throw error;
  } finally {
    sockets.dispose();
  }
}

/** Closes what openListeners gave. Connections waiting in their queues are reset. */
export function closeListeners(fds: readonly number[]): void {
  const sockets = new Sockets();
  for (const fd of fds) sockets.close(fd);
}

/** The kernel would not give a listener. */
export class ListenError extends Error {
  constructor(errno: string) {
    super(`could not listen in the pod's network namespace: ${errno}`);
    this.name = "ListenError";
  }
}

/** A listening descriptor, or a negative errno. */
function listenerOn(sockets: ListenerSockets, netns: number, port: number): number {
  const fd = familyListenerOn(sockets, netns, port, DUAL_STACK);
  return fd === -EAFNOSUPPORT ? familyListenerOn(sockets, netns, port, IPV4) : fd;
}

function familyListenerOn(
  sockets: ListenerSockets,
  netns: number,
  port: number,
  { any, ip, transparent }: Family,
): number {
  const fd = sockets.socket(any, netns);
  if (fd < 0) return fd;
  const failed = firstFailure([
    ...transparent.map(
      ([level, name]) =>
        () =>
          sockets.setOption(fd, level, name, 1),
    ),
    () => sockets.setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1),
    // Accepted sockets inherit it. Their own port is the one that was dialled: without it a pod that talks to
    // somebody's port 80 could not start a server of its own on port 80 (EADDRINUSE).
    () => sockets.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1),
    () => sockets.bind(fd, { ip, port }),
    () => sockets.listen(fd, BACKLOG),
  ]);
  if (failed < 0) sockets.close(fd);
  return failed < 0 ? failed : fd;
}

function firstFailure(steps: readonly (() => number)[]): number {
  for (const step of steps) {
    const result = step();
    if (result < 0) return result;
  }
  return 0;
}
