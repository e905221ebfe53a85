/** TCP connections that Node drives but that live in another network namespace. */

import { Socket, type SocketConstructorOpts } from "node:net";
import { isIpv6 } from "#model/address.ts";
import { closeDescriptor, openSocket } from "../../../agent/kernel/namespace-calls.ts";
import { closeNetns, inNetns, openNetns } from "../../../agent/kernel/netns.ts";
import {
  AF_INET,
  AF_INET6,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from "../../../agent/kernel/socket-constants.ts";

/**
 * Connects to an IP address as seen from the namespace of that file. The socket is made there; Node then
 * only connects it, which it may do later. Errors come as the socket's events; none is unhandled.
 */
export function connectInNetns(
  netnsPath: string,
  to: { readonly host: string; readonly port: number },
): Socket {
  const netns = openNetns(netnsPath);
  const family = isIpv6(to.host) ? AF_INET6 : AF_INET;
  let fd: number;
  try {
    fd = inNetns(netns, () => openSocket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  } finally {
    closeNetns(netns);
  }
  return adopt(fd, to);
}

function adopt(fd: number, to: { readonly host: string; readonly port: number }): Socket {
  let socket: Socket;
  try {
    socket = new Socket(unconnected(fd));
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
  socket.on("error", () => undefined);
  return socket.connect({ host: to.host, port: to.port });
}

/** manualStart (missing in Node's types): reading from a socket that is not connected yet would end it with ENOTCONN. */
function unconnected(fd: number): SocketConstructorOpts & { readonly manualStart: boolean } {
  return { fd, readable: true, writable: true, manualStart: true };
}
