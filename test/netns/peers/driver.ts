/**
 * Runs inside a pod and does with sockets what a test tells it: one JSON command per line on stdin, one
 * JSON answer per line on stdout. So a test holds both ends of a connection in its hands. See
 * test/support/pod-peer.ts for the other side.
 */

import { createHash } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer, Command, Result } from "./protocol.ts";

/** Block of the deterministic stream that `send` makes. */
const BLOCK_BYTES = 65_536;

/** One socket with what has arrived and how it ended. */
class Peer {
  readonly socket: net.Socket;
  #pieces: Buffer[] = [];
  ended: "open" | "fin" | "reset" | "error" = "open";
  error = "";
  #changed: () => void = () => undefined;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (piece: Buffer) => {
      this.#pieces.push(piece);
      this.#changed();
    });
    socket.on("end", () => this.#end("fin"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
      this.#end(error.code === "ECONNRESET" || error.code === "EPIPE" ? "reset" : "error");
    });
    socket.on("close", () => this.#end("fin"));
  }

  /** Takes what arrived once `enough` says so, the stream ended or the time is over. */
  async take(enough: (bytes: number) => boolean, timeoutMs: number): Promise<Buffer> {
    const deadline = Date.now() + timeoutMs;
    while (!enough(this.#length()) && this.ended === "open" && Date.now() < deadline) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#changed = resolve;
      await Promise.race([promise, sleep(Math.max(0, deadline - Date.now()))]);
    }
    const all = Buffer.concat(this.#pieces);
    this.#pieces = [];
    return all;
  }

  #length(): number {
    return this.#pieces.reduce((sum, piece) => sum + piece.length, 0);
  }

  #end(how: "fin" | "reset" | "error"): void {
    if (this.ended === "open" || this.ended === "fin") this.ended = how;
    this.#changed();
  }
}

const peers = new Map<number, Peer>();
const listeners = new Map<
  number,
  { server: net.Server; waiting: net.Socket[]; wake: () => void }
>();
let next = 1;

function adopt(socket: net.Socket): Result {
  const id = next++;
  peers.set(id, new Peer(socket));
  return {
    socket: id,
    local: { address: socket.localAddress ?? "", port: socket.localPort ?? 0 },
    remote: { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 },
  };
}

async function connect(command: Extract<Command, { op: "connect" }>): Promise<Result> {
  const { host, port, timeoutMs } = command;
  const socket = net.connect({ host, port, allowHalfOpen: true });
  const timer = setTimeout(() => socket.destroy(new Error("ETIMEDOUT")), timeoutMs);
  try {
    await once(socket, "connect");
    return adopt(socket);
  } catch (error) {
    return { error: (error as NodeJS.ErrnoException).code ?? String(error) };
  } finally {
    clearTimeout(timer);
  }
}

async function listen({ host, port }: Extract<Command, { op: "listen" }>): Promise<Result> {
  const entry = {
    server: new net.Server({ allowHalfOpen: true }),
    waiting: [] as net.Socket[],
    wake: () => {},
  };
  entry.server.on("connection", (socket) => {
    socket.pause();
    entry.waiting.push(socket);
    entry.wake();
  });
  entry.server.listen(port, host);
  await once(entry.server, "listening");
  const id = next++;
  listeners.set(id, entry);
  return {
    listener: id,
    local: { address: host, port: (entry.server.address() as net.AddressInfo).port },
  };
}

async function accept({
  listener,
  timeoutMs,
}: Extract<Command, { op: "accept" }>): Promise<Result> {
  const entry = listeners.get(listener);
  if (entry === undefined) return { error: "no such listener" };
  if (entry.waiting.length === 0) {
    const { promise, resolve } = Promise.withResolvers<void>();
    entry.wake = resolve;
    await Promise.race([promise, sleep(timeoutMs)]);
  }
  const socket = entry.waiting.shift();
  if (socket === undefined) return { error: "ETIMEDOUT" };
  const adopted = adopt(socket);
  socket.resume();
  return adopted;
}

/** Sends `bytes` of a stream that `seed` determines; answers with its hash. */
async function send({ socket, bytes, seed }: Extract<Command, { op: "send" }>): Promise<Result> {
  const peer = peers.get(socket);
  if (peer === undefined) return { error: "no such socket" };
  const hash = createHash("sha256");
  for (let sent = 0; sent < bytes; ) {
    const block = Buffer.alloc(Math.min(BLOCK_BYTES, bytes - sent), `${seed}:${sent};`);
    hash.update(block);
    sent += block.length;
    if (!peer.socket.write(block)) await drained(peer.socket);
    if (peer.socket.destroyed) return { error: peer.error || "closed", bytes: sent };
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Resolves when more can be written, or never will. */
function drained(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done);
    socket.on("close", done);
  });
}

/** Reads to the end of the stream, slowly if told so; answers with its length and hash only. */
async function drain(command: Extract<Command, { op: "drain" }>): Promise<Result> {
  const { socket, timeoutMs, bytesPerSecond } = command;
  const peer = peers.get(socket);
  if (peer === undefined) return { error: "no such socket" };
  const hash = createHash("sha256");
  let bytes = 0;
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (bytesPerSecond !== undefined) peer.socket.resume();
    const data = await peer.take((available) => available > 0, Math.max(0, deadline - Date.now()));
    if (bytesPerSecond !== undefined) {
      peer.socket.pause();
      await sleep((data.length / bytesPerSecond) * 1_000);
    }
    hash.update(data);
    bytes += data.length;
    if (data.length === 0 && (peer.ended !== "open" || Date.now() >= deadline)) break;
  }
  return { bytes, sha256: hash.digest("hex"), ended: peer.ended };
}

async function read({
  socket,
  bytes,
  timeoutMs,
}: Extract<Command, { op: "read" }>): Promise<Result> {
  const peer = peers.get(socket);
  if (peer === undefined) return { error: "no such socket" };
  const data = await peer.take((available) => available >= bytes, timeoutMs);
  return { data: data.toString("base64"), bytes: data.length, ended: peer.ended };
}

function onSocket(id: number, act: (peer: Peer) => void): Result {
  const peer = peers.get(id);
  if (peer === undefined) return { error: "no such socket" };
  act(peer);
  return {};
}

/** `count` short connections, `at once` many in parallel: each sends a line and expects it back. */
async function burst({
  host,
  port,
  count,
  parallel,
}: Extract<Command, { op: "burst" }>): Promise<Result> {
  const failures: Record<string, number> = {};
  const fail = (what: string): void => {
    failures[what] = (failures[what] ?? 0) + 1;
  };
  let left = count;
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const socket = net.connect({ host, port });
      let text: string | undefined;
      try {
        await once(socket, "connect");
        socket.end("ping\n");
        text = "";
        for await (const piece of socket) text += piece;
        if (text !== "ping\n") fail(`answer ${JSON.stringify(text)}`);
      } catch (error) {
        const { code, syscall } = error as NodeJS.ErrnoException;
        fail(`${syscall} ${code} after ${text === undefined ? "no" : "its"} connection`);
      }
      socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: parallel }, one));
  const failed = Object.values(failures).reduce((sum, times) => sum + times, 0);
  return { count, failed, ...(failed > 0 ? { failures } : {}) };
}

/** Echoes every connection of a listener from now on, half-close included. */
function echo({ listener }: Extract<Command, { op: "echo" }>): Result {
  const entry = listeners.get(listener);
  if (entry === undefined) return { error: "no such listener" };
  entry.server.removeAllListeners("connection");
  entry.server.on("connection", (socket) => {
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  return {};
}

async function run(command: Command): Promise<Result> {
  switch (command.op) {
    case "connect":
      return connect(command);
    case "listen":
      return listen(command);
    case "accept":
      return accept(command);
    case "echo":
      return echo(command);
    case "send":
      return send(command);
    case "drain":
      return drain(command);
    case "read":
      return read(command);
    case "burst":
      return burst(command);
    case "write":
      return onSocket(command.socket, (peer) =>
        peer.socket.write(Buffer.from(command.data, "base64")),
      );
    case "end":
      return onSocket(command.socket, (peer) => peer.socket.end());
    case "reset":
      return onSocket(command.socket, (peer) => peer.socket.resetAndDestroy());
    case "pause":
      return onSocket(command.socket, (peer) => peer.socket.pause());
    case "resume":
      return onSocket(command.socket, (peer) => peer.socket.resume());
    case "close-listener":
      listeners.get(command.listener)?.server.close();
      return {};
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, command } = JSON.parse(line) as { id: number; command: Command };
  run(command).then(
    (result) => answer({ id, result }),
    (error: unknown) => answer({ id, result: { error: String(error) } }),
  );
});
process.stdin.on("end", () => process.exit(0));

function answer(value: Answer): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
