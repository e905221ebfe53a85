/** Servers and clients of a rig that speak bytes: what a library would hide is what tests look at. */

import { once } from "node:events";
import net from "node:net";
import { POD, VIP, type WorkerRig } from "./worker-rig.ts";

/** A request without content. */
export const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** Its answer. */
export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A server; disposing of it ends its connections. */
export interface Server extends Disposable {
  readonly endpoint: { readonly address: string; readonly port: number };
  /** All connections, in the order in which they came. */
  readonly sockets: net.Socket[];
}

/** A server of bytes; `talk` has each connection. */
export async function serve(
  talk: (socket: net.Socket) => void,
  address = "127.0.0.1",
): Promise<Server> {
  const sockets: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    talk(socket);
  });
  server.listen(0, address);
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return {
    endpoint: { address, port },
    sockets,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** Answers each GET at once. */
export function answering(socket: net.Socket): void {
  socket.on("data", (bytes) => {
    for (let n = bytes.toString("latin1").split("\r\n\r\n").length; n > 1; n--) socket.write(OK);
  });
  socket.on("end", () => socket.end());
}

/** A port that nobody listens on. */
export async function deadEndpoint(): Promise<Server["endpoint"]> {
  const server = await serve(() => undefined);
  const { endpoint } = server;
  server[Symbol.dispose]();
  return endpoint;
}

/** A client connection as its user sees it. */
export interface Client {
  readonly socket: net.Socket;
  /** What came so far. */
  text: string;
  /** How it ended. */
  ended: "open" | "fin" | "reset";
}

/** Dials the rig's service from its pod. */
export function dial(rig: WorkerRig): Client {
  const to = { host: VIP, port: rig.port, localAddress: POD, allowHalfOpen: true };
  const client: Client = { socket: net.connect(to), text: "", ended: "open" };
  client.socket.on("data", (bytes) => {
    client.text += bytes.toString("latin1");
  });
  client.socket.on("end", () => {
    client.ended = "fin";
  });
  client.socket.on("error", () => {
    client.ended = "reset";
  });
  return client;
}
