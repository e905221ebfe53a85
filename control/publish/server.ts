/**
 * The HTTP/2 server that agents connect to:
 *   GET  /v1/snapshots?node=NAME[&have=EPOCH:VERSION]   a stream of framed deltas, without end
 *   POST /v1/acks                                       {node, epoch, version} or with {field, problem}
 */

import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { MAX_ACK_BYTES, parseNodeName, takeAck } from "./acks.ts";
import { serveAgent } from "./agent-stream.ts";
import type { AgentRegistry } from "./agents.ts";
import type { Position, Publisher } from "./publisher.ts";

/** How often an agent is asked whether it lives; a second unanswered question closes the connection. */
const DEFAULT_PING_MS = 5000;
/** What a stopping server gives its connections to end by themselves. */
const CLOSE_GRACE_MS = 500;

/** What the server serves, and its seams. */
export interface PublishServerOptions {
  readonly publisher: Publisher;
  readonly agents: AgentRegistry;
  /**
   * Decides whether a connection may speak for a node; the text is why not. Without it everybody may:
   * the place where tokens and client certificates will be checked.
   */
  readonly admit?: (node: string, session: ServerHttp2Session) => string | undefined;
  /** The HTTP/2 server; default cleartext. The place where TLS comes in. */
  readonly server?: Http2Server;
  readonly pingMs?: number;
  /** Told of every ack (refusal false) and nack (true). */
  readonly onAck?: (node: string, refusal: boolean) => void;
}

/** The server, not yet listening: call listen on `server`. */
export class PublishServer {
  readonly server: Http2Server;
  readonly #options: PublishServerOptions;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #streams = new Set<ServerHttp2Stream>();

  constructor(options: PublishServerOptions) {
    this.#options = options;
    // An agent needs one stream for snapshots and one per ack.
    this.server = options.server ?? createServer({ settings: { maxConcurrentStreams: 16 } });
    this.server.on("session", (session) => this.#adopt(session));
  }

  /** Says GOAWAY to all agents and ends; connections that linger are cut. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.close(() => resolve());
    for (const session of this.#sessions) session.close();
    const cut = setTimeout(() => {
      for (const session of this.#sessions) session.destroy();
    }, CLOSE_GRACE_MS);
    // Snapshot streams have no end of their own.
    for (const stream of this.#streams) stream.end();
    await promise;
    clearTimeout(cut);
  }

  #adopt(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.on("stream", (stream, headers) => this.#route(stream, headers));
    const timer = watchPeer(session, this.#options.pingMs ?? DEFAULT_PING_MS);
    session.on("close", () => {
      clearInterval(timer);
      this.#sessions.delete(session);
    });
    // Connection errors end in "close"; without a listener they would end the process.
    session.on("error", () => {});
  }

  #route(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // Until a handler takes over: a peer may reset its request at any time.
    stream.on("error", () => {});
    const method = headers[":method"];
    const url = URL.parse(headers[":path"] ?? "/", "http://control");
    if (url?.pathname === "/v1/snapshots" && method === "GET") this.#snapshots(stream, url);
    else if (url?.pathname === "/v1/acks" && method === "POST") this.#ack(stream);
    else answer(stream, 404, "no such endpoint; see GET /v1/snapshots and POST /v1/acks");
  }

  #snapshots(stream: ServerHttp2Stream, url: URL): void {
    const { publisher, agents } = this.#options;
    const node = parseNodeName(url.searchParams.get("node"));
    if (node === undefined) {
      answer(stream, 400, "node: must be a node's name");
      return;
    }
    const refusal = this.#admit(stream, node);
    if (refusal !== undefined) {
      answer(stream, 403, refusal);
      return;
    }
    this.#streams.add(stream);
    stream.on("close", () => this.#streams.delete(stream));
    const have = parsePosition(url.searchParams.get("have"));
    serveAgent({ stream, node, have, publisher, agents });
  }

  #admit(stream: ServerHttp2Stream, node: string): string | undefined {
    const session = stream.session as ServerHttp2Session | undefined;
    return session === undefined ? "the connection is gone" : this.#options.admit?.(node, session);
  }

  #ack(stream: ServerHttp2Stream): void {
    const pieces: Buffer[] = [];
    let bytes = 0;
    stream.on("data", (piece: Buffer) => {
      bytes += piece.length;
      if (bytes <= MAX_ACK_BYTES) pieces.push(piece);
    });
    stream.on("end", () => {
      if (bytes > MAX_ACK_BYTES) answer(stream, 413, `is over ${MAX_ACK_BYTES} bytes`);
      else this.#takeAck(stream, Buffer.concat(pieces).toString());
    });
  }

  #takeAck(stream: ServerHttp2Stream, body: string): void {
    const { agents, onAck } = this.#options;
    const verdict = takeAck(body, agents, (node) => this.#admit(stream, node));
    if (verdict.kind === "refused") {
      answer(stream, 400, verdict.problem);
      return;
    }
    onAck?.(verdict.node, verdict.refusal);
    answer(stream, 204, "");
  }
}

/** Reads `EPOCH:VERSION`; anything else counts as having nothing, which is always safe. */
function parsePosition(text: string | null): Position | undefined {
  const match = /^([^:]+):(\d{1,15})$/.exec(text ?? "");
  const [, epoch, version] = match ?? [];
  return epoch === undefined ? undefined : { epoch, version: Number(version) };
}

function answer(stream: ServerHttp2Stream, status: number, problem: string): void {
  if (stream.destroyed || stream.closed) return;
  stream.respond({ ":status": status, "content-type": "text/plain" });
  stream.end(problem === "" ? undefined : `${problem}\n`);
}

/** Pings until the session ends; a ping that is unanswered when the next is due means the peer is dead. */
function watchPeer(session: ServerHttp2Session, everyMs: number): NodeJS.Timeout {
  let waiting = false;
  const timer = setInterval(() => {
    if (session.destroyed) return;
    if (waiting) return session.destroy();
    waiting = true;
    session.ping(() => {
      waiting = false;
    });
  }, everyMs);
  timer.unref();
  return timer;
}
