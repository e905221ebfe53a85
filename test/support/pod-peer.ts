/** A program inside a pod that does with sockets what the test says (test/netns/peers/driver.ts). */

import type { Command, Endpoint, Result } from "../netns/peers/protocol.ts";
import { LineCalls } from "./line-calls.ts";

const PATIENCE_MS = 10_000;

/** A driver in one pod. */
export class PodPeer implements AsyncDisposable {
  readonly #calls: LineCalls<Command, Result>;

  /** `command` starts a driver in the pod, for example `nodemesh sim exec … -- node driver.ts`. */
  constructor(command: readonly [string, ...string[]]) {
    this.#calls = new LineCalls<Command, Result>(command, { error: "the driver ended" });
  }

  /** Runs one command and gives its raw result. */
  ask(command: Command): Promise<Result> {
    return this.#calls.ask(command);
  }

  /** Connects, or throws the errno. */
  async connect(host: string, port: number, timeoutMs: number = PATIENCE_MS): Promise<PodSocket> {
    return new PodSocket(this, good(await this.ask({ op: "connect", host, port, timeoutMs })));
  }

  /** Listens; `host` `::` takes both families. */
  async listen(port: number, host = "::"): Promise<PodListener> {
    const { listener = 0 } = good(await this.ask({ op: "listen", host, port }));
    return new PodListener(this, listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#calls[Symbol.asyncDispose]();
  }
}

/** A listening socket in a pod. */
export class PodListener {
  readonly #peer: PodPeer;
  readonly #id: number;

  constructor(peer: PodPeer, id: number) {
    this.#peer = peer;
    this.#id = id;
  }

  /** The next connection; throws ETIMEDOUT. */
  async accept(timeoutMs: number = PATIENCE_MS): Promise<PodSocket> {
    const result = await this.#peer.ask({ op: "accept", listener: this.#id, timeoutMs });
    return new PodSocket(this.#peer, good(result));
  }

  /** Echoes every later connection. */
  async echo(): Promise<void> {
    good(await this.#peer.ask({ op: "echo", listener: this.#id }));
  }

  /** Stops listening. */
  async close(): Promise<void> {
    good(await this.#peer.ask({ op: "close-listener", listener: this.#id }));
  }
}

/** A connected socket in a pod. */
export class PodSocket {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly #peer: PodPeer;
  readonly #id: number;

  constructor(peer: PodPeer, { socket = 0, local, remote }: Result) {
    this.#peer = peer;
    this.#id = socket;
    this.local = plain(local);
    this.remote = plain(remote);
  }

  /** Sends text. */
  async write(text: string): Promise<void> {
    const data = Buffer.from(text, "latin1").toString("base64");
    good(await this.#peer.ask({ op: "write", socket: this.#id, data }));
  }

  /** What arrives until `bytes` are there, the stream ends or the time is over; and how the stream stands. */
  async read(
    bytes: number = Number.MAX_SAFE_INTEGER,
    timeoutMs: number = PATIENCE_MS,
  ): Promise<{ text: string; ended: NonNullable<Result["ended"]> }> {
    const result = await this.#peer.ask({ op: "read", socket: this.#id, bytes, timeoutMs });
    const { data = "", ended = "open" } = good(result);
    return { text: Buffer.from(data, "base64").toString("latin1"), ended };
  }

  /** Sends a long deterministic stream; its hash. */
  async send(bytes: number, seed: string): Promise<Result> {
    return this.#peer.ask({ op: "send", socket: this.#id, bytes, seed });
  }

  /** Reads to the end, as fast as it can or slowly; length and hash. */
  async drain(timeoutMs: number, bytesPerSecond?: number): Promise<Result> {
    const slowly = bytesPerSecond !== undefined && { bytesPerSecond };
    return good(await this.#peer.ask({ op: "drain", socket: this.#id, timeoutMs, ...slowly }));
  }

  /** Half-closes. */
  async end(): Promise<void> {
    good(await this.#peer.ask({ op: "end", socket: this.#id }));
  }

  /** Sends RST. */
  async reset(): Promise<void> {
    good(await this.#peer.ask({ op: "reset", socket: this.#id }));
  }

  /** Stops reading: the kernel's buffers fill up. */
  async pause(): Promise<void> {
    good(await this.#peer.ask({ op: "pause", socket: this.#id }));
  }

  /** Reads again. */
  async resume(): Promise<void> {
    good(await this.#peer.ask({ op: "resume", socket: this.#id }));
  }
}

function good(result: Result): Result {
  if (result.error !== undefined) throw new Error(result.error);
  return result;
}

/** A dual-stack socket shows IPv4 peers as mapped addresses. */
function plain(endpoint: Endpoint | undefined): Endpoint {
  const { address = "", port = 0 } = endpoint ?? {};
  return { address: address.replace(/^::ffff:(?=\d+\.)/, ""), port };
}
