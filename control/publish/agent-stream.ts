/** One agent's stream: always the newest snapshot, one message in flight, nothing queued behind it; acks come back on it. */

import { constants, type ServerHttp2Stream } from "node:http2";
import { FrameReader } from "#model/frames.ts";
import { MAX_ACK_BYTES, readStreamAck } from "./acks.ts";
import type { AgentLink, AgentRegistry } from "./agents.ts";
import type { Position, Publisher } from "./publisher.ts";

/** What a stream needs. */
export interface AgentStreamOptions {
  readonly stream: ServerHttp2Stream;
  readonly node: string;
  /** What the agent says it has. */
  readonly have: Position | undefined;
  /** The newest format of the codec that the agent says it reads. */
  readonly format: number;
  readonly publisher: Publisher;
  readonly agents: AgentRegistry;
  /** Told of every ack. */
  readonly onAck: () => void;
}

/**
 * Serves one agent until its stream closes. A slow agent is never queued for: while a message is on its
 * way new versions only make the next delta larger, so memory is one (shared) message whatever happens.
 */
export function serveAgent(options: AgentStreamOptions): void {
  const { stream, publisher, agents } = options;
  const link = agents.connect(options.node);
  const sender = new Sender(options, link);
  const unsubscribe = publisher.subscribe(() => sender.send());
  stream.on("close", () => {
    unsubscribe();
    agents.disconnect(link);
  });
  // A reset stream is an everyday event; "close" follows.
  stream.on("error", () => {});
  stream.respond({ ":status": 200, "content-type": "application/vnd.nodemesh.snapshots" });
  sender.send();
  takeAcks(options);
}

/** The agent is known since the stream was admitted. What is no ack ends the stream: the agent comes back. */
function takeAcks({ stream, node, agents, onAck }: AgentStreamOptions): void {
  const reader = new FrameReader(MAX_ACK_BYTES);
  stream.on("data", (piece: Buffer) => {
    const messages = reader.push(piece);
    const acks = messages === "too-long" ? [undefined] : messages.map(positionIn);
    for (const ack of acks) {
      if (ack === undefined) return stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
      agents.acked(node, ack);
      onAck();
    }
  });
}

function positionIn(message: Uint8Array): Position | undefined {
  return readStreamAck(new TextDecoder().decode(message));
}

class Sender {
  readonly #options: AgentStreamOptions;
  readonly #link: AgentLink;
  #position: Position | undefined;
  #state: "idle" | "sending" = "idle";
  /** The first message is sent even when it says nothing new: it tells the agent that it is up to date. */
  #greeted = false;

  constructor(options: AgentStreamOptions, link: AgentLink) {
    this.#options = options;
    this.#link = link;
    this.#position = options.have;
  }

  send(): void {
    const { stream, publisher, agents, format } = this.#options;
    const { epoch, version } = publisher.snapshot;
    // Version 0: control itself knows nothing yet; an empty world would undo every enrolment.
    if (this.#state === "sending" || version === 0 || stream.destroyed) return;
    const current = this.#position?.epoch === epoch && this.#position.version === version;
    if (current && this.#greeted) return;
    this.#state = "sending";
    this.#greeted = true;
    const frame = publisher.frameSince(this.#position, format);
    this.#position = { epoch, version };
    agents.sent(this.#link, this.#position);
    // The callback comes when HTTP/2 flow control has let all of it go.
    stream.write(frame, () => {
      this.#state = "idle";
      this.send();
    });
  }
}
