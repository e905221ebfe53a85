/**
 * Messages in a byte stream: a big-endian unsigned 32-bit length, then that many bytes. Used on the stream between
 * control and agent, both ways; HTTP/2 below already guards against loss and reordering.
 */

import { MAX_MESSAGE_BYTES } from "./codec.ts";

/** Bytes before each message. */
export const FRAME_HEADER_BYTES = 4;

/** The message with its length before it. */
export function encodeFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + message.length);
  new DataView(frame.buffer).setUint32(0, message.length);
  frame.set(message, FRAME_HEADER_BYTES);
  return frame;
}

/** Cuts a stream into messages. Keeps at most one of them. */
export class FrameReader {
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;

  /** `maxBytes`: no message is longer. */
  constructor(maxBytes: number = MAX_MESSAGE_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes the next piece of the stream and gives the messages that are now whole. `"too-long"`: the
   * stream announces a message above the limit, so it is not what we think it is; stop reading it.
   */
  push(piece: Uint8Array): readonly Uint8Array[] | "too-long" {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    const messages: Uint8Array[] = [];
    while (this.#bytes >= FRAME_HEADER_BYTES) {
      const length = this.#announced();
      if (length > this.#maxBytes) return "too-long";
      if (this.#bytes < FRAME_HEADER_BYTES + length) break;
      const whole = this.#joined();
      messages.push(whole.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + length));
      this.#keep(whole.subarray(FRAME_HEADER_BYTES + length));
    }
    return messages;
  }

  /** Only the first bytes are joined until the message is whole: joining per piece would be quadratic. */
  #announced(): number {
    if ((this.#pieces[0]?.length ?? 0) < FRAME_HEADER_BYTES) this.#keep(this.#joined());
    const [first = new Uint8Array(FRAME_HEADER_BYTES)] = this.#pieces;
    return new DataView(first.buffer, first.byteOffset).getUint32(0);
  }

  #joined(): Uint8Array {
    const [only] = this.#pieces;
    if (only !== undefined && this.#pieces.length === 1) return only;
    const whole = new Uint8Array(this.#bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  #keep(rest: Uint8Array): void {
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
  }
}
