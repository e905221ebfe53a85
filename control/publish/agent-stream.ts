/** One agent's stream: always the newest snapshot, one message in flight, nothing queued behind it; acks come back on it. */

import { constants, type ServerHttp2Stream } from "node:http2";
import { FrameReader } from "#model/frames.ts";
import type { MisdeclaredPort } from "#model/misdeclared.ts";
import { MAX_ACK_BYTES, readStreamAck, type StreamAck } from "./acks.ts";
import type { AgentLink, AgentRegistry } from "./agents.ts";
import type { Position, Publisher } from "./publisher.ts";

/** What a stream needs. */
export interface AgentStreamOptions {
  readonly stream: ServerHttp2Stream;
  readonly node: string;
  /** See AgentLink. */
  readonly pod: string | undefined;
  /** What the agent says it has. */
  readonly have: Position | undefined;
  /** The newest format of the codec that the agent says it reads. */
  readonly format: number;
  readonly publisher: Publisher;
  readonly agents: AgentRegistry;
  /** Told of every ack. */
  readonly onAck: () => void;
  /** Told of all ports that, as the agent knows, declare what is not spoken there. */
  readonly onMisdeclared: (ports: readonly MisdeclaredPort[]) => void;
}

/**
 * Serves one agent until its stream closes. A slow agent is never queued for: until it has acknowledged a message new
 * versions only make the next delta larger, so memory is one (shared) message whatever happens, and what it applies is
 * never older than its own slowness.
 */
export function serveAgent(options: AgentStreamOptions): void {
  const { stream, publisher, agents } = options;
  const sender = new Sender(options);
  const unsubscribe = publisher.subscribe(() => sender.send());
  stream.on("finish", unsubscribe);
  stream.on("close", () => {
    unsubscribe();
    agents.disconnect(sender.link);
  });
  // A reset stream is an everyday event; "close" follows.
  stream.on("error", () => {});
  stream.respond({ ":status": 200, "content-type": "application/vnd.nodemesh.snapshots" });
  sender.send();
  takeAcks(options, sender.link);
}

/** The agent is known since the stream was admitted. What is no ack ends the stream: the agent comes back. */
function takeAcks(options: AgentStreamOptions, link: AgentLink): void {
  const { stream, agents, onAck, onMisdeclared } = options;
  const reader = new FrameReader(MAX_ACK_BYTES);
  stream.on("data", (piece: Buffer) => {
    const messages = reader.push(piece);
    const acks = messages === "too-long" ? [undefined] : messages.map(ackIn);
    for (const ack of acks) {
      if (ack === undefined) return stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
      const { misdeclared, ...position } = ack;
      if (!agents.ackedOn(link, position)) return;
      onAck();
      if (misdeclared !== undefined) onMisdeclared(misdeclared);
    }
  });
}

const decoder = new TextDecoder();

function ackIn(message: Uint8Array): StreamAck | undefined {
  return readStreamAck(decoder.decode(message));
}

/** What a stream gets to end by itself, milliseconds. */
const END_MS = 1000;

/** Ends a stream; one whose peer does not read or does not end it is closed soon. */
export function endStream(stream: ServerHttp2Stream): void {
  stream.end();
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), END_MS);
  timer.unref();
  stream.once("close", () => clearTimeout(timer));
}

class Sender {
  readonly link: AgentLink;
  readonly #options: AgentStreamOptions;
  #position: Position | undefined;
  #state: "idle" | "unacknowledged" = "idle";
  /** The first message is sent even when it says nothing new: it tells the agent that it is up to date. */
  #greeted = false;

  constructor(options: AgentStreamOptions) {
    this.#options = options;
    this.#position = options.have;
    const { agents, node, pod, stream } = options;
    this.link = agents.connect(node, {
      pod,
      onAck: (position) => this.#acked(position),
      onReplaced: () => endStream(stream),
    });
  }

  send(): void {
    const { stream, publisher, agents, format } = this.#options;
    const { epoch, version } = publisher.snapshot;
    // Version 0: control itself knows nothing yet; an empty world would undo every enrolment.
    if (this.#state === "unacknowledged" || version === 0) return;
    if (stream.destroyed || stream.writableEnded) return;
    const current = this.#position?.epoch === epoch && this.#position.version === version;
    if (current && this.#greeted) return;
    this.#state = "unacknowledged";
    this.#greeted = true;
    const frame = publisher.frameSince(this.#position, format);
    this.#position = { epoch, version };
    agents.sent(this.link, this.#position);
    stream.write(frame);
  }

  /** An older ack that was repeated, to show a renewed token, is not the one that is waited for. */
  #acked({ epoch, version }: Position): void {
    if (epoch !== this.#position?.epoch || version < this.#position.version) return;
    this.#state = "idle";
    this.send();
  }
}
