/** A server that is too busy: its backlog is full, so the kernel drops SYNs and says nothing. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { openListener } from "../../agent/engine/listen.ts";
import { Sockets } from "../../agent/kernel/sockets.ts";
import { OK } from "./byte-peers.ts";

const ADDRESS = "127.0.0.1";

/** A server that takes nothing until it is told to. */
export class Overfull implements Disposable {
  readonly endpoint: { readonly address: string; readonly port: number };
  readonly #fd: number;
  readonly #filler: net.Socket;
  readonly #server: net.Server;
  readonly #sockets: net.Socket[] = [];

  private constructor(fd: number, port: number) {
    this.#fd = fd;
    this.endpoint = { address: ADDRESS, port };
    this.#filler = net.connect(port, ADDRESS);
    this.#server = net.createServer((socket) => {
      this.#sockets.push(socket);
      socket.on("data", () => socket.write(OK));
    });
  }

  /** With room for one connection, which is there. */
  static async start(): Promise<Overfull> {
    const system = new Sockets();
    const fd = openListener(system, { at: { ip: ADDRESS, port: 0 }, backlog: 0 });
    const address = system.localAddress(fd);
    assert.ok(typeof address === "object");
    const made = new Overfull(fd, address.port);
    await once(made.#filler, "connect");
    return made;
  }

  /** Takes whoever came and comes. */
  accept(): void {
    this.#server.listen({ fd: this.#fd });
  }

  [Symbol.dispose](): void {
    this.#filler.destroy();
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) this.#server.close();
    else new Sockets().close(this.#fd);
  }
}
