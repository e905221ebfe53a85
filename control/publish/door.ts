/**
 * Who is let in to a server of agents. Connections are strangers' until they were admitted for a node, and strangers are
 * few, do little and are not there for long; agents that were admitted are remembered with what they showed.
 */

import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import {
  AdmissionGate,
  type Asker,
  type GateOptions,
  type StreamAdmission,
} from "../admission/gate.ts";
import { type CutReason, Strangers } from "./strangers.ts";

/** With `admit`: a connection that was not admitted for anything in this time is nobody's and is cut. */
const DEFAULT_STRANGER_MS = 10_000;
/** Streams of a connection that was not admitted yet: an agent opens one and waits for the answer. */
const MAX_STRANGERS_STREAMS = 32;
/** Connections of one node: an agent has one, and perhaps those of a former agent that nobody has ended yet. */
const MAX_OF_NODE = 4;
/** What a refused connection gets to read its answer (ms). */
const REFUSED_MS = 200;

/** Who is let in. */
export interface DoorOptions {
  /**
   * Decides whether who shows this `authorization` header may speak for a node. Must not reject. Without it
   * everybody may: a unix socket or the simulator's network, where whoever gets there may do more anyway.
   */
  readonly admit?: GateOptions["admit"];
  /** See GateOptions. */
  readonly recall?: NonNullable<GateOptions["recall"]>;
  readonly strangerMs?: number;
  /** Told when an agent is refused, at its first word or later, when its token ends. */
  readonly onRefused?: (node: string, problem: string) => void;
  /** Told of each connection that was cut. */
  readonly onCut?: (reason: CutReason) => void;
}

/** A header that was good for a node. Times of performance.now(). */
interface Shown {
  readonly node: string;
  readonly authorization: string | undefined;
  /** When the agent showed it. */
  readonly at: number;
  readonly until: number;
  readonly admission: Extract<StreamAdmission, { kind: "admitted" }>;
}

/** What is known of a session. */
interface Guest extends Asker {
  /** Agents show a renewed token with an ack, in a quiet world with a repeated one. */
  shown: Shown | undefined;
  streams: number;
  /** For which it was admitted; one, unless its tokens are of several. */
  readonly nodes: Set<string>;
  /** It was refused, and will be cut. */
  ending: boolean;
}

/** The door of one server. */
export class Door {
  readonly #options: DoorOptions;
  readonly #gate: AdmissionGate | undefined;
  readonly #strangers: Strangers;
  readonly #guests = new WeakMap<ServerHttp2Session, Guest>();
  /** Sessions that were admitted, oldest first. */
  readonly #ofNode = new Map<string, Set<ServerHttp2Session>>();

  constructor(options: DoorOptions) {
    const { admit, recall, strangerMs: lateMs = DEFAULT_STRANGER_MS, onCut = () => {} } = options;
    this.#options = options;
    this.#strangers = new Strangers({ lateMs, onCut });
    const now = (): number => performance.now();
    this.#gate = admit && new AdmissionGate({ admit, now, ...(recall && { recall }) });
  }

  /** A connection was accepted; its handshake is still to come. */
  connected(socket: Socket): void {
    if (this.#gate !== undefined) this.#strangers.add(socket);
  }

  /** A session has begun. */
  adopt(session: ServerHttp2Session): void {
    const guest: Guest = {
      address: session.socket.remoteAddress ?? "",
      isGone: () => session.destroyed,
      shown: undefined,
      streams: 0,
      nodes: new Set(),
      ending: false,
    };
    this.#guests.set(session, guest);
    session.on("close", () => this.#forget(session, guest));
  }

  /** Whether one more stream of a session is served; otherwise the session is ended. */
  allows(session: ServerHttp2Session): boolean {
    const guest = this.#guests.get(session);
    if (guest === undefined || this.#gate === undefined || guest.shown !== undefined) return true;
    if (++guest.streams <= MAX_STRANGERS_STREAMS) return true;
    this.#strangers.cut(session.socket, "streams");
    return false;
  }

  /** What the session last showed, and when. */
  shownOn(session: ServerHttp2Session): Pick<Shown, "authorization" | "at"> | undefined {
    return this.#guests.get(session)?.shown;
  }

  /** Judges what was shown for a node; `at`: when, milliseconds of performance.now(). */
  async admit(
    stream: ServerHttp2Stream,
    node: string,
    authorization: string | undefined,
    at: number = performance.now(),
  ): Promise<StreamAdmission> {
    // The type checker does not know that a destroyed stream has lost its session.
    const session = stream.session as ServerHttp2Session | undefined;
    const guest = session && this.#guests.get(session);
    if (this.#gate === undefined) return { kind: "admitted", againMs: Infinity };
    if (session === undefined || guest === undefined)
      return { kind: "refused", status: 503, problem: "the connection has ended" };
    const { shown } = guest;
    const left = shown === undefined ? 0 : shown.until - performance.now();
    // Nearly every ack of an older agent: the same words again, which costs no hash and no turn of the loop.
    if (left > 0 && shown?.node === node && shown.authorization === authorization)
      return { ...shown.admission, againMs: left };
    const admission = await this.#gate.admit(guest, node, authorization);
    if (admission.kind === "refused") {
      this.#options.onRefused?.(node, admission.problem);
      if (this.#gate.isRefused(guest) && !guest.ending) this.#endSoon(session, guest);
      return admission;
    }
    const until = performance.now() + admission.againMs;
    // An answer about an old token may come after a renewed one was shown.
    if (at >= (guest.shown?.at ?? 0)) guest.shown = { node, authorization, at, until, admission };
    guest.nodes.add(node);
    this.#welcome(session, node);
    return admission;
  }

  #welcome(session: ServerHttp2Session, node: string): void {
    if (session.destroyed) return;
    this.#strangers.admitted(session.socket);
    const all = this.#ofNode.getOrInsertComputed(node, () => new Set());
    all.add(session);
    const [oldest] = all;
    if (all.size <= MAX_OF_NODE || oldest === undefined) return;
    oldest.destroy();
    this.#options.onCut?.("node");
  }

  /** What is refused gets its answer. An agent comes back on a new connection; a stranger has had its question. */
  #endSoon(session: ServerHttp2Session, guest: Guest): void {
    guest.ending = true;
    const timer = setTimeout(() => {
      if (!session.destroyed) this.#strangers.cut(session.socket, "refused");
    }, REFUSED_MS);
    timer.unref();
  }

  #forget(session: ServerHttp2Session, { nodes }: Guest): void {
    for (const node of nodes) {
      const all = this.#ofNode.get(node);
      all?.delete(session);
      if (all?.size === 0) this.#ofNode.delete(node);
    }
  }
}
