/**
 * The HTTP/2 server that agents connect to:
 *   POST /v1/snapshots?node=NAME&format=F[&have=EPOCH:VERSION]   framed deltas, and framed acks {epoch, version}, without end
 *   POST /v1/acks      {node, epoch, version} or with {field, problem}: what has to be answered, refusals and renewed tokens
 *   GET  /v1/snapshots?node=NAME[&have=EPOCH:VERSION]            the same without acks: older agents send all to /v1/acks
 */

import {
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import type { Socket } from "node:net";
import type { MisdeclaredPort } from "#model/misdeclared.ts";
import { MAX_ACK_BYTES, parseNodeName, readAck, takeAck } from "./acks.ts";
import { endStream, serveAgent } from "./agent-stream.ts";
import type { AgentRegistry } from "./agents.ts";
import { Door, type DoorOptions } from "./door.ts";
import type { Position, Publisher } from "./publisher.ts";

/**
 * What agents are told that they may send. They need one stream for snapshots, and one for a refusal or a renewed token;
 * an ack or a token fits into what may be on its way unread.
 */
export const SERVER_SETTINGS: Settings = {
  maxConcurrentStreams: 16,
  initialWindowSize: 2 * MAX_ACK_BYTES,
  maxHeaderListSize: 16 * 1024,
};

/** How often an agent is asked whether it lives; a second unanswered question closes the connection. */
const DEFAULT_PING_MS = 5000;
/** What a stopping server gives its connections to end by themselves. */
const CLOSE_GRACE_MS = 500;
/** Admissions are not asked for more often than this, whatever the answers say. */
const SHORTEST_ADMISSION_MS = 1000;

/** What the server serves, and its seams. */
export interface PublishServerOptions extends DoorOptions {
  readonly publisher: Publisher;
  readonly agents: AgentRegistry;
  /** The HTTP/2 server; default cleartext. See control/tls/serving.ts for the other. */
  readonly server?: Http2Server | Http2SecureServer;
  readonly pingMs?: number;
  /** Told of a stream for a node that has one. */
  readonly onRival?: (rival: Rival) => void;
  /** Told of every ack (refusal false) and nack (true). */
  readonly onAck?: (node: string, refusal: boolean) => void;
  /** Told of all ports that, as a node's agent knows, declare what is not spoken there. */
  readonly onMisdeclared?: (node: string, ports: readonly MisdeclaredPort[]) => void;
}

/** A stream for a node that has one. Pods are uids; undefined: not known. */
export type Rival =
  /** Of the same pod: the older stream is ended. An agent comes back so when it has lost its connection. */
  | { readonly kind: "replaced"; readonly node: string; readonly pod: string | undefined }
  /** Of another pod: the newer one is refused. */
  | {
      readonly kind: "refused";
      readonly node: string;
      readonly pod: string | undefined;
      readonly by: string | undefined;
    };

/** The server, not yet listening: call listen on `server`. */
export class PublishServer {
  readonly server: Http2Server | Http2SecureServer;
  readonly #options: PublishServerOptions;
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Connections, also those that never become a session: a TLS handshake may hang. */
  readonly #sockets = new Set<Socket>();
  readonly #door: Door;
  readonly #streams = new Set<ServerHttp2Stream>();

  constructor(options: PublishServerOptions) {
    this.#options = options;
    this.#door = new Door(options);
    this.server = options.server ?? createServer({ settings: SERVER_SETTINGS });
    this.server.on("session", (session: ServerHttp2Session) => this.#adopt(session));
    this.server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      this.#door.connected(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  /** Says GOAWAY to all agents and ends; connections that linger are cut. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.close(() => resolve());
    for (const session of this.#sessions) session.close();
    const cut = setTimeout(() => {
      for (const session of this.#sessions) session.destroy();
      for (const socket of this.#sockets) socket.destroy();
    }, CLOSE_GRACE_MS);
    // Snapshot streams have no end of their own.
    for (const stream of this.#streams) stream.end();
    await promise;
    clearTimeout(cut);
  }

  #adopt(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    this.#door.adopt(session);
    session.on("stream", (stream, headers) => {
      if (this.#door.allows(session)) this.#route(stream, headers);
    });
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
    const { authorization } = headers;
    if (url?.pathname === "/v1/snapshots" && (method === "POST" || method === "GET"))
      void this.#snapshots(stream, url, authorization);
    else if (url?.pathname === "/v1/acks" && method === "POST") this.#ack(stream, authorization);
    else answer(stream, 404, "no such endpoint; see POST /v1/snapshots and /v1/acks");
  }

  async #snapshots(
    stream: ServerHttp2Stream,
    url: URL,
    authorization: string | undefined,
  ): Promise<void> {
    const { publisher, agents, onAck, onMisdeclared } = this.#options;
    const node = parseNodeName(url.searchParams.get("node"));
    if (node === undefined) {
      answer(stream, 400, "node: must be a node's name");
      return;
    }
    const admission = await this.#door.admit(stream, node, authorization);
    if (admission.kind === "refused") {
      answer(stream, admission.status, admission.problem);
      return;
    }
    if (stream.destroyed || !this.#claims(stream, node, admission.pod)) return;
    this.#streams.add(stream);
    stream.on("close", () => this.#streams.delete(stream));
    this.#admitAgain(stream, node, admission.againMs);
    const have = parsePosition(url.searchParams.get("have"));
    const format = parseFormat(url.searchParams.get("format"));
    const taken = (): void => onAck?.(node, false);
    serveAgent({
      ...{ stream, node, pod: admission.pod, have, format, publisher, agents, onAck: taken },
      onMisdeclared: (ports) => onMisdeclared?.(node, ports),
    });
  }

  /** Whether this pod is the one that speaks for the node; if not, it is refused. */
  #claims(stream: ServerHttp2Stream, node: string, pod: string | undefined): boolean {
    const { agents, onRival } = this.#options;
    const claim = agents.claim(node, pod);
    if (claim.kind === "free") return true;
    if (claim.kind === "own") {
      onRival?.({ kind: "replaced", node, pod });
      return true;
    }
    onRival?.({ kind: "refused", node, pod, by: claim.by });
    const problem = `pod ${claim.by ?? "(unknown)"} speaks for node ${node}, ${pod ?? "this one"} may not`;
    answer(stream, 409, `${problem} before that one's stream has ended`);
    return false;
  }

  /** Asks again when the admission ends, with the newest token; a no ends the stream, and the agent comes back. */
  #admitAgain(stream: ServerHttp2Stream, node: string, againMs: number): void {
    if (againMs === Infinity) return;
    let timer: NodeJS.Timeout | undefined;
    const wait = (ms: number): void => {
      timer = setTimeout(() => void again(), Math.max(ms, SHORTEST_ADMISSION_MS));
      timer.unref();
    };
    const again = async (): Promise<void> => {
      const session = stream.session as ServerHttp2Session | undefined;
      if (session === undefined || stream.destroyed) return;
      const shown = this.#door.shownOn(session);
      const admission = await this.#door.admit(stream, node, shown?.authorization, shown?.at);
      if (stream.destroyed) return;
      if (admission.kind === "admitted") wait(admission.againMs);
      else endStream(stream);
    };
    wait(againMs);
    stream.once("close", () => clearTimeout(timer));
  }

  #ack(stream: ServerHttp2Stream, authorization: string | undefined): void {
    const pieces: Buffer[] = [];
    let bytes = 0;
    stream.on("data", (piece: Buffer) => {
      bytes += piece.length;
      if (bytes <= MAX_ACK_BYTES) pieces.push(piece);
    });
    stream.on("end", () => {
      if (bytes > MAX_ACK_BYTES) answer(stream, 413, `is over ${MAX_ACK_BYTES} bytes`);
      else void this.#takeAck(stream, Buffer.concat(pieces).toString(), authorization);
    });
  }

  async #takeAck(
    stream: ServerHttp2Stream,
    body: string,
    authorization: string | undefined,
  ): Promise<void> {
    const { agents, onAck } = this.#options;
    const read = readAck(body);
    if (read.kind === "refused") {
      answer(stream, 400, read.problem);
      return;
    }
    const admission = await this.#door.admit(stream, read.ack.node, authorization);
    if (admission.kind === "refused") {
      answer(stream, admission.status, admission.problem);
      return;
    }
    const { node } = read.ack;
    if (agents.claim(node, admission.pod).kind === "held") {
      answer(stream, 409, `another pod speaks for node ${node}`);
      return;
    }
    const verdict = takeAck(read.ack, agents);
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

/** Reads the newest format that an agent knows. The first agents don't say it; a newer one knows ours too. */
function parseFormat(text: string | null): number {
  return /^\d{1,6}$/.test(text ?? "") ? Number(text) : 1;
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
