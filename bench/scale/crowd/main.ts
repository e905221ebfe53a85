/**
 * 1,000 agents in one process, as control sees them: each has its own TLS connection and token, and
 * acknowledges each message as it comes. They keep nothing. The first one also decodes
 * what it gets, to tell which version brought which Service. Talks to its parent by IPC (messages.ts). Imports
 * the agent's own connection; must never reach anything but the control it is told.
 */
import { hash } from "node:crypto";
import type { ClientHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { decodeDelta, MAX_MESSAGE_BYTES } from "#model/codec.ts";
import { decompressed } from "#model/compression.ts";
import { FrameReader } from "#model/frames.ts";
import { serviceKey } from "#model/service.ts";
import {
  ackOn,
  connectTls,
  openSnapshots,
  type Position,
  watchPeer,
} from "../../../agent/state/session.ts";
import { type CrowdOrder, type CrowdReport, monotonicMs, type Traffic } from "../messages.ts";
import { Quorum } from "../quorum.ts";

const ANSWER_MS = 60_000;
const PING_MS = 5000;
/** Connections that are made at the same time: the first message of each is the whole world. */
const CONNECT_AT_ONCE = 16;
/** Messages are the same for all: so many different ones are remembered, more than are on their way at a time. */
const REMEMBERED = 64;
/** The words before the lists are in this many bytes. */
const HEAD_BYTES = 256;
const HEAD = /"epoch":"([^"]+)","base":(?:\d+|"nothing"),"version":(\d+)/;

interface Crowd {
  readonly order: CrowdOrder;
  readonly quorum: Quorum;
  readonly traffic: { messages: number; payloadBytes: number };
  readonly sockets: Socket[];
}

function report(message: CrowdReport): void {
  process.send?.(message);
}

// The bench is gone, however it ended.
process.once("disconnect", () => process.exit(1));
process.once("message", (order: CrowdOrder) => {
  void gather(order).catch((cause: Error) => {
    report({ kind: "failed", problem: cause.stack ?? cause.message });
  });
});

async function gather(order: CrowdOrder): Promise<void> {
  const crowd: Crowd = {
    order,
    quorum: new Quorum(order.nodes.length, order.share),
    traffic: { messages: 0, payloadBytes: 0 },
    sockets: [],
  };
  const queue = order.nodes.keys();
  const connector = async (): Promise<void> => {
    for (const index of queue) await joined(crowd, index);
  };
  await Promise.all(Array.from({ length: CONNECT_AT_ONCE }, connector));
  process.on("message", (message) => {
    if (message === "traffic") report({ kind: "traffic", traffic: trafficOf(crowd) });
  });
  report({ kind: "gathered", at: monotonicMs() });
}

function trafficOf({ traffic, sockets }: Crowd): Traffic {
  const wireBytes = sockets.reduce((sum, socket) => sum + socket.bytesRead, 0);
  return { ...traffic, wireBytes };
}

/** Resolves when this agent has acknowledged its first message; follows from then on. */
function joined(crowd: Crowd, index: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  follow(crowd, index, resolve)
    .catch((cause: Error) => cause.message)
    .then((problem = "control closed the stream") => {
      const text = `the stream of ${crowd.order.nodes[index]?.name} ended: ${problem}`;
      report({ kind: "failed", problem: text });
      reject(new Error(text));
    }, reject);
  return promise;
}

async function follow(crowd: Crowd, index: number, onFirst: () => void): Promise<void> {
  const { control, nodes } = crowd.order;
  const { name = "", tokenFile = "" } = nodes[index] ?? {};
  const session = connectTls({ ...control, tokenFile });
  // Its streams tell, and they are waited for.
  session.on("error", () => undefined);
  session.once("connect", (_, socket) => crowd.sockets.push(socket));
  watchPeer(session, PING_MS, () => undefined);
  const stream = await openSnapshots(session, { node: name, have: undefined }, ANSWER_MS);
  const reader = new FrameReader();
  const member: Member = { crowd, index, stream };
  for await (const piece of stream as AsyncIterable<Buffer>) {
    const messages = reader.push(piece);
    if (messages === "too-long") throw new Error("control sent a message above the limit");
    for (const message of messages) take(member, message);
    if (messages.length > 0) onFirst();
  }
}

interface Member {
  readonly crowd: Crowd;
  readonly index: number;
  readonly stream: ClientHttp2Stream;
}

function take({ crowd, index, stream }: Member, message: Uint8Array): void {
  const { quorum, traffic } = crowd;
  const { epoch, version } = positionIn(message);
  traffic.messages += 1;
  traffic.payloadBytes += message.length;
  if (index === 0) observe(crowd, message);
  ackOn(stream, { epoch, version });
  const at = monotonicMs();
  for (const reached of quorum.acked(index, version))
    report({ kind: "settled", version: reached, at });
}

const positions = new Map<string, Position>();

/** Which snapshot a message leads to. Each agent would find it out by itself; here that would be a thousand times the same work. */
function positionIn(message: Uint8Array): Position {
  const key = hash("sha1", message);
  const known = positions.get(key);
  if (known !== undefined) return known;
  const plain = decompressed(message, MAX_MESSAGE_BYTES) ?? message;
  const head = Buffer.from(plain.subarray(0, HEAD_BYTES)).toString("latin1");
  const [, epoch, version] = HEAD.exec(head) ?? [];
  if (epoch === undefined) throw new Error(`a message without a version: ${head}`);
  const position = { epoch, version: Number(version) };
  positions.set(key, position);
  const [oldest] = positions.keys();
  if (positions.size > REMEMBERED && oldest !== undefined) positions.delete(oldest);
  return position;
}

/** The first agent's look into its message. */
function observe({ quorum }: Crowd, message: Uint8Array): void {
  const decoded = decodeDelta(message);
  if (decoded.kind === "malformed") throw new Error(`${decoded.field} ${decoded.problem}`);
  const { version, upsertServices, changeEndpoints } = decoded.delta;
  quorum.await(version);
  const services = [
    ...upsertServices.map(serviceKey),
    ...changeEndpoints.map(({ service }) => service),
  ];
  report({ kind: "seen", version, services, at: monotonicMs() });
}
