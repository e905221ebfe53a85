/**
 * A message that is no protocol's: what the story of a request (agent/flow/request) knows of heads, and the two
 * faces it stands between. A protocol implements them; the story never asks which.
 *
 *   RequestHead, AnswerHead   heads as views: the HTTP/1 head as it was parsed, later an HTTP/2 block. Nothing is copied.
 *   ClientStream              one request as its client's connection shows it: the story answers through it.
 *   Attempt                   one try at an endpoint: the story asks through it, and hears of it as an AttemptListener.
 *
 * Both faces have the same verbs: head, data, end, abort with a cause, pause, resume. Data is a message's body in the
 * transfer form of the side that it came from, trailers included: an implementation whose own form is another translates.
 */

import type { Method } from "./h1/codes.ts";
import type { Range } from "./h1/ranges.ts";

/** What heads of requests and of answers have in common. All bytes are in `bytes` and last as long as the head does. */
export interface MessageHead {
  readonly bytes: Uint8Array;
  /** Bytes of the head as it was received. */
  readonly size: number;
  /** Field lines, in order. */
  readonly fieldCount: number;
  /** Sets `range` to the name of field `index`, as it was sent. */
  fieldName(index: number, range: Range): void;
  /** Sets `range` to the value of field `index`, without white space around it. */
  fieldValue(index: number, range: Range): void;
  /**
   * Sets `range` to the value of the first field of this name (lower-case bytes) from index `from` on; returns its
   * index, or -1.
   */
  find(name: Uint8Array, range: Range, from?: number): number;
}

/** The head of a request. */
export interface RequestHead extends MessageHead {
  readonly method: Method;
  /** A transfer coding or a length above 0 announces a body (RFC 9110 section 6.4). */
  readonly hasContent: boolean;
  /** The method as sent. */
  methodRange(range: Range): void;
  /** Where the request is addressed to; may be empty. */
  authorityRange(range: Range): void;
  /** The path without its query; empty is to be read as `/`. */
  pathRange(range: Range): void;
  /** The client offers to go on in another protocol (RFC 9110 section 7.8). */
  readonly upgrade: boolean;
  /** Gives the next hop a field more: a whole line that ends in CR LF. Once at most. */
  add(line: Uint8Array): void;
}

/** The head of an answer. */
export interface AnswerHead extends MessageHead {
  /** 100 to 999. */
  readonly status: number;
}

/** How one side of an exchange ended, or shall end, before its time. */
export type Ending =
  /** In order, but in the middle: FIN. */
  | { readonly kind: "end" }
  /** A reset. */
  | { readonly kind: "reset" }
  /** Silence: its machine, or the way there, is gone. It ends as a reset does. `errno`: how the kernel calls it. */
  | { readonly kind: "vanished"; readonly errno: string }
  /** Not understood: a PROBLEM of the codec. */
  | { readonly kind: "malformed"; readonly problem: number };

/** Bytes `[start, end)` of `buffer`, which are only lent for the call. */
export interface Piece {
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** One request as its client's connection shows it. */
export interface ClientStream {
  /** An interim answer (1xx). */
  interim(head: AnswerHead): void;
  /**
   * The answer's head and the first bytes of its body. `mayFollow`: the server takes another request on its connection.
   * Returns false to be asked to wait until the client has taken it.
   */
  head(head: AnswerHead, piece: Piece, mayFollow: boolean): boolean;
  /** More of the answer's body. Returns false to be asked to wait. */
  data(buffer: Uint8Array, start: number, end: number): boolean;
  /** Answer and request are complete. */
  end(): void;
  /** The server has ended while the request still comes: no more is sent to the client. */
  halfClose(): void;
  /** The answer ends here, in the middle or before it began, as its server ended it. */
  abort(ending: Ending): void;
  /** Reads no more of the request until resume(). */
  pause(): void;
  resume(): void;
}

/** One try at an endpoint over an established connection. */
export interface Attempt {
  /** Whether any byte of an answer has come. */
  readonly answered: boolean;
  /** Whether the connection carried other requests before: its end says nothing about the server. */
  readonly reused: boolean;
  /** Part of the request's body; `whole`: the last part. Returns false to be asked to wait for onSent. */
  data(buffer: Uint8Array, start: number, end: number, whole: boolean): boolean;
  /** The client has half-closed: the server shall see it. No more data follows. */
  end(): void;
  /** The client is gone: what it sent before goes to the server first, then the reset. */
  abortWhenSent(): void;
  /** Nobody waits for the answer any more. */
  abort(): void;
  /** Reads no more of the answer until resume(). */
  pause(): void;
  resume(): void;
}

/**
 * Hears of an attempt. Exactly one of onEnd, onFailure and onBytes is the last that is heard of the answer; while the
 * request is not whole, onFailure may follow onEnd.
 */
export interface AttemptListener<Carrier> {
  /** An interim answer (1xx); the final one follows. */
  onInterim(head: AnswerHead): void;
  /**
   * The final head with the first bytes of its body. Returns false to be asked to wait. `mayFollow`: the server takes
   * another request on this connection.
   */
  onHead(head: AnswerHead, piece: Piece, mayFollow: boolean): boolean;
  /** More of the answer's body. Returns false to be asked to wait. */
  onData(buffer: Uint8Array, start: number, end: number): boolean;
  /** The answer is complete. */
  onEnd(): void;
  /** The answer will not become complete, or the server ended while the request still came. */
  onFailure(ending: Ending): void;
  /**
   * From here on bytes go both ways: an upgrade was taken, or the answer has no end of its own. `carrier` is what
   * carries them from now on.
   */
  onBytes(head: AnswerHead, piece: Piece, carrier: Carrier): void;
  /** Everything given so far has been sent. */
  onSent(): void;
}
