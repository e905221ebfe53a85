/** Listening on TCP or a unix socket, with errors an operator can act on. */

import { chmod, unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";
import type { ListenAddress } from "./config.ts";

/** A server could not listen: the message says where, why and what to do. */
export class ListenError extends Error {}

/** Any server of node: HTTP/1.1, HTTP/2, plain. */
export type AnyServer = Pick<Server, "listen" | "once" | "off" | "address">;

/**
 * Starts listening; resolves with the address as text (with the real port when 0 was asked).
 * A socket file that nobody listens on is left-over of a crash and replaced. Unix sockets are for their owner only.
 */
export async function listenOn(server: AnyServer, where: ListenAddress): Promise<string> {
  if (where.kind === "unix") await removeStale(where.path);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (cause: Error): void => reject(explain(where, cause));
  server.once("error", failed);
  if (where.kind === "unix") server.listen(where.path, resolve);
  else server.listen(where.port, where.host, resolve);
  await promise;
  server.off("error", failed);
  if (where.kind === "unix") await chmod(where.path, 0o600);
  return addressText(server);
}

function addressText(server: AnyServer): string {
  const address = server.address();
  if (address === null) throw new Error("a listening server has an address");
  if (typeof address === "string") return `unix:${address}`;
  const host = address.address.includes(":") ? `[${address.address}]` : address.address;
  return `${host}:${address.port}`;
}

async function removeStale(path: string): Promise<void> {
  if (await answers(path)) throw new ListenError(`unix:${path}: another process listens there`);
  await unlink(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT") throw explain({ kind: "unix", path }, cause);
  });
}

/** Whether somebody accepts connections on the socket. A file that is not a socket refuses too. */
function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.once("connect", () => resolve(true));
  socket.once("error", () => resolve(false));
  return promise.finally(() => socket.destroy());
}

const NEXT_STEP: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process uses the port; choose another one or stop it",
  EACCES: "not permitted; use a port above 1023 or run as root",
  EADDRNOTAVAIL: "this machine does not have the address",
  ENOENT: "the directory of the socket does not exist; make it first",
  ENOTFOUND: "the host name can't be resolved",
};

function explain(where: ListenAddress, cause: NodeJS.ErrnoException): ListenError {
  const place = where.kind === "unix" ? `unix:${where.path}` : `${where.host ?? ""}:${where.port}`;
  const why = NEXT_STEP[cause.code ?? ""] ?? cause.message;
  return new ListenError(`can't listen on ${place}: ${why}`, { cause });
}
