/**
 * Follows control for the agent's whole life: connects, takes deltas, acks what is enforced, nacks what
 * can't be taken, and comes back after every loss with the version at hand.
 */

import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeDelta } from "#model/codec.ts";
import { FrameReader } from "#model/frames.ts";
import type { MisdeclaredPorts } from "#model/misdeclared.ts";
import type { Snapshot, SnapshotDelta } from "#model/snapshot.ts";
import { fullDelta } from "#model/snapshot-delta.ts";
import { Backoff } from "./backoff.ts";
import {
  type Ack,
  ackOn,
  hasNewToken,
  openSnapshots,
  type Position,
  type SnapshotsRequest,
  sendAck,
  watchPeer,
} from "./session.ts";
import type { SnapshotStore } from "./store.ts";

/** Silence after which control counts as dead is at most twice this. */
const DEFAULT_PING_MS = 5000;
/** How long a connection may take to give its first answer. */
const ANSWER_TIMEOUT_MS = 5000;

/** What following needs. */
export interface FollowOptions {
  /** Opens a connection (see connectCleartext). */
  readonly connect: () => ClientHttp2Session;
  /** This node's name. */
  readonly node: string;
  readonly store: SnapshotStore;
  /**
   * Makes a snapshot effective. Resolves when kernel and workers have it: only then it is acked. The
   * delta leads from the last snapshot that was enforced; it is a full one after a rejection (control gets
   * a nack, and after a while the newest snapshot is tried again), and may be empty.
   */
  readonly enforce: (snapshot: Snapshot, delta: SnapshotDelta) => Promise<void>;
  /** Ports that declare what is not spoken there: control is told when they become others. */
  readonly misdeclared?: Pick<MisdeclaredPorts, "revision" | "list">;
  /** Told of every change of state. Must not throw. */
  readonly onStatus: (status: StreamStatus) => void;
  /** Whether what the store has was told to an agent that knew less, so that changes to it will not do. */
  readonly outdated?: boolean;
  /** Ends following. */
  readonly signal: AbortSignal;
  readonly random: () => number;
  readonly pingMs?: number;
}

/** How it stands between this agent and control. */
export type StreamStatus =
  /** A connection is being made. */
  | { readonly kind: "connecting" }
  /** Control answered; its first message is on the way. */
  | { readonly kind: "connected" }
  /** The version is enforced and control was told. */
  | { readonly kind: "synced"; readonly epoch: string; readonly version: number }
  /** The connection is gone or was given up; the last good snapshot stays in force. */
  | { readonly kind: "lost"; readonly problem: string; readonly retryInMs: number };

/** Follows until the signal aborts, then resolves. Never rejects. */
export async function followControl(options: FollowOptions): Promise<void> {
  const { signal, onStatus, outdated = false } = options;
  const backoff = new Backoff(options.random);
  const memory: Memory = { resync: outdated, enforceAll: false, upToDate: false };
  while (!signal.aborted) {
    // Connecting throws when there is nothing to connect with, such as a token.
    const problem = await followOnce(options, backoff, memory).catch(messageOf);
    if (signal.aborted) return;
    const retryInMs = backoff.next();
    onStatus({ kind: "lost", problem, retryInMs });
    // Rejects only when aborted, which the loop sees.
    await sleep(retryInMs, undefined, { signal }).catch(() => {});
  }
}

/** One connection from start to end; resolves with why it ended. */
async function followOnce(
  options: FollowOptions,
  backoff: Backoff,
  memory: Memory,
): Promise<string> {
  options.onStatus({ kind: "connecting" });
  memory.upToDate = false;
  const session = options.connect();
  const end = (): void => session.destroy();
  options.signal.addEventListener("abort", end);
  // Session errors also end its streams, where they are waited for.
  session.on("error", () => {});
  try {
    const link: Link = {
      ...{ options, session, backoff, memory, repeated: Promise.resolve() },
      ...{ stream: undefined, toldMisdeclared: 0 },
    };
    watchPeer(session, options.pingMs ?? DEFAULT_PING_MS, () => alive(link));
    const request = { node: options.node, have: haveOf(options, memory.resync) };
    const stream = await openSnapshots(session, request, ANSWER_TIMEOUT_MS);
    options.onStatus({ kind: "connected" });
    link.stream = stream;
    await takeMessages(link, stream);
    return "control closed the stream";
  } catch (cause) {
    return messageOf(cause);
  } finally {
    options.signal.removeEventListener("abort", end);
    session.destroy();
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** What the agent has, unless everything shall be sent again. */
function haveOf({ store }: FollowOptions, everything: boolean): SnapshotsRequest["have"] {
  return store.current.epoch === "" || everything ? undefined : store.current;
}

/** What is remembered from one connection to the next. */
interface Memory {
  /** Ask for everything: control's changes were for a snapshot that is not ours. */
  resync: boolean;
  /** The last enforcement failed half-way: the next one gets a full delta. */
  enforceAll: boolean;
  /** Everything that arrived on this connection is enforced. */
  upToDate: boolean;
}

/** What the stages of one connection share. */
interface Link {
  readonly options: FollowOptions;
  readonly session: ClientHttp2Session;
  readonly backoff: Backoff;
  readonly memory: Memory;
  /** The last repetition of an ack: resolves when it is answered or has failed. */
  repeated: Promise<void>;
  /** Of snapshots, once control has accepted. */
  stream: ClientHttp2Stream | undefined;
  /** Revision of the misdeclared ports that control was told of on this connection; it begins with none. */
  toldMisdeclared: number;
}

/** Control has answered a ping. It sends news at once, so a peer that answers and is quiet has none. */
function alive(link: Link): void {
  const { options, session, memory } = link;
  if (!memory.upToDate) return;
  options.store.confirm();
  // Control sees a renewed token only with a request, and acks are none: without this the stream would be refused when
  // the old token ends.
  if (hasNewToken(session)) link.repeated = link.repeated.then(() => repeatAck(link));
  tellMisdeclared(link);
}

/** With the last ack, which control takes once more. A ping after the port was seen is early enough. */
function tellMisdeclared(link: Link): void {
  const { options, stream } = link;
  const { misdeclared } = options;
  if (misdeclared === undefined || misdeclared.revision === link.toldMisdeclared) return;
  if (stream === undefined || stream.destroyed) return;
  ackOn(stream, options.store.current, misdeclared.list());
  link.toldMisdeclared = misdeclared.revision;
}

/** Shows a renewed token with the last ack. What goes wrong is tried again at the next ping; the old token may do yet. */
async function repeatAck({ options, session, memory }: Link): Promise<void> {
  if (!memory.upToDate || !hasNewToken(session)) return;
  const { epoch, version } = options.store.current;
  await sendAck(session, { node: options.node, epoch, version }).catch(() => {});
}

/**
 * Takes messages one after the other. While one is being enforced nothing is read, so control holds back
 * and sends the sum of what happened meanwhile.
 */
async function takeMessages(link: Link, stream: ClientHttp2Stream): Promise<void> {
  const reader = new FrameReader();
  for await (const piece of stream as AsyncIterable<Buffer>) {
    const messages = reader.push(piece);
    if (messages === "too-long") throw new Error("control sent a message above the limit");
    for (const message of messages) await takeMessage(link, message);
  }
}

/** Throws to give the connection up. */
async function takeMessage(link: Link, message: Uint8Array): Promise<void> {
  link.memory.upToDate = false;
  const decoded = decodeDelta(message);
  if (decoded.kind === "malformed") {
    const { epoch, version } = link.options.store.current;
    const { field, problem } = decoded;
    await refuse(link, { epoch: epoch || "none", version, field, problem });
    throw new Error(`control's message was refused: ${field} ${problem}`);
  }
  const { delta } = decoded;
  const applied = link.options.store.apply(delta);
  link.memory.resync = applied.kind === "other-base";
  if (applied.kind === "other-base")
    throw new Error(`control sent changes to version ${delta.base}, which is not ours`);
  await enforce(link, applied.snapshot, delta);
}

async function enforce(link: Link, snapshot: Snapshot, delta: SnapshotDelta): Promise<void> {
  const { epoch, version } = snapshot;
  const { memory } = link;
  try {
    await link.options.enforce(snapshot, memory.enforceAll ? fullDelta(snapshot) : delta);
  } catch (cause) {
    memory.enforceAll = true;
    const problem = cause instanceof Error ? cause.message : String(cause);
    await refuse(link, { epoch, version, field: "", problem: problem.slice(0, 2000) });
    throw new Error(`version ${version} could not be enforced: ${problem}`, { cause });
  }
  memory.enforceAll = false;
  await acknowledge(link, { epoch, version });
  memory.upToDate = true;
  link.backoff.reset();
  link.options.onStatus({ kind: "synced", epoch, version });
}

/** On the stream, where nothing is waited for; a renewed token has to be shown, and that is answered. */
async function acknowledge({ options, session, stream }: Link, ack: Position): Promise<void> {
  if (stream === undefined || hasNewToken(session))
    await sendAck(session, { node: options.node, ...ack });
  else ackOn(stream, ack);
}

/** Resolves when control knows: the connection is given up then. */
async function refuse({ options, session }: Link, refusal: Omit<Ack, "node">): Promise<void> {
  await sendAck(session, { node: options.node, ...refusal });
}
