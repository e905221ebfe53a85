/**
 * What lies between control and an API server: TLS that offers HTTP/2, as a real one does, and a network that
 * can swallow connections without closing them, as a vanished node or a forgetful load balancer does.
 */

import { type IncomingHttpHeaders, request } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { makeAuthority, makeServing, readAuthority } from "../../control/tls/authority.ts";

/** A running front. Dispose to end every connection. */
export class ApiFront implements AsyncDisposable {
  /** How client-node reaches the server through it. */
  readonly config: KubeConfig = new KubeConfig();
  readonly #ca: string;
  readonly #tls: Http2SecureServer;
  readonly #network: Server;
  readonly #near = new Set<Socket>();
  readonly #far = new Set<Socket>();
  /** Both ends of the connections that still carry bytes. */
  readonly #alive = new Set<readonly [Socket, Socket]>();

  private constructor(behind: string) {
    const now = Date.now();
    const authority = readAuthority(makeAuthority(now), now);
    this.#ca = authority.certificate;
    const { certificate: cert, privateKey: key } = makeServing(authority, ["localhost"], now);
    this.#tls = createSecureServer({ cert, key, allowHTTP1: true }, (ask, answer) =>
      forward(behind, ask, answer),
    );
    this.#network = createServer((near) => this.#carry(near));
  }

  /** Starts in front of the server that a configuration of cleartext HTTP names. */
  static async open(behind: KubeConfig): Promise<ApiFront> {
    const front = new ApiFront(behind.getCurrentCluster()?.server ?? "");
    await listen(front.#tls);
    const server = `https://localhost:${await listen(front.#network)}`;
    const caData = Buffer.from(front.#ca).toString("base64");
    front.config.loadFromClusterAndUser(
      { name: "front", server, caData, skipTLSVerify: false },
      { name: "tester", token: "word" },
    );
    return front;
  }

  /** Connections that control holds open now. */
  get connections(): number {
    return this.#near.size;
  }

  /** From now on the connections of now carry nothing, and stay open. New ones are well. */
  swallow(): void {
    for (const [near, far] of this.#alive) {
      near.removeAllListeners("data").resume();
      far.removeAllListeners("data").resume();
    }
    this.#alive.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = [this.#network, this.#tls].map((server) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      return promise;
    });
    for (const socket of [...this.#near, ...this.#far]) socket.destroy();
    await Promise.all(closed);
  }

  #carry(near: Socket): void {
    const far = connect((this.#tls.address() as AddressInfo).port, "127.0.0.1");
    const pair = [near, far] as const;
    this.#alive.add(pair);
    const join = (from: Socket, to: Socket, among: Set<Socket>): void => {
      among.add(from);
      from.on("data", (bytes) => to.write(bytes));
      from.on("error", () => undefined);
      from.on("close", () => {
        among.delete(from);
        // The end of a swallowed connection is swallowed too.
        if (this.#alive.delete(pair)) to.destroy();
      });
    };
    join(near, far, this.#near);
    join(far, near, this.#far);
  }
}

/** Headers of one connection only, of either protocol version. */
const OF_ONE_CONNECTION = /^(?::.*|connection|keep-alive|transfer-encoding)$/;

function own(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !OF_ONE_CONNECTION.test(name)),
  );
}

/** Hands a request of either protocol version to the server behind, and its answer back, piece by piece. */
function forward(behind: string, ask: Http2ServerRequest, answer: Http2ServerResponse): void {
  const { method, headers } = ask;
  const options = { method, headers: own(headers), agent: false };
  const asked = request(new URL(ask.url, behind), options, (came) => {
    answer.writeHead(came.statusCode ?? 502, own(came.headers));
    // Headers alone are an answer too: a watch without events.
    answer.write("");
    came.on("error", () => answer.destroy()).pipe(answer);
  });
  asked.on("error", () => answer.destroy());
  answer.on("close", () => asked.destroy());
  ask.pipe(asked);
}

async function listen(server: Server | Http2SecureServer): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  // A TCP server's address is never a text.
  return (server.address() as AddressInfo).port;
}
