/**
 * agent/http/h1: the HTTP/1.1 codec as pure functions over bytes. It may import agent/model only. It
 * never touches a socket, a timer or a promise, never allocates per message on the good path, and
 * never guesses: what two readers could frame in two ways is refused (request smuggling), what is odd but clear passes
 * as it came, or is written in the one form that nobody misreads (docs/http.md has the table).
 *
 *   const head = new Head({ maxHeadBytes: 131072, maxFields: 256 });   // reusable; pool them
 *   head.feed(bytes, start, end);             // all bytes of the head that arrived so far
 *   const at = parseRequest(head);            // parse-head.ts; or parseResponse(head)
 *   // at > 0: complete, the body begins at `at`; 0: incomplete, feed again with more; < 0: a PROBLEM
 *   requestProblem(at) / responseProblem(at)  // problem.ts: { reason, rule, status, detail } to answer and log
 *
 *   head.method (METHOD), target/path/authority ranges, minor, keepAlive, upgrade, expectContinue,
 *   contentLength, chunked, status            // head.ts; ranges are absolute offsets in head.bytes
 *   requestBody(head) / responseBody(head, asked)             // body-kind.ts: a BODY kind or a PROBLEM
 *   framer.reset(kind, head.contentLength); framer.eat(bytes, start, end)   // framer.ts
 *   findField(head, name, range), findCookie(head, name, range)             // lookup.ts
 *   writeHead(head, rewrite, into)            // write-head.ts: the head for the next hop
 *   shortAnswer({ status, reason, close, bodiless })          // short-answer.ts: our own refusals
 *
 * This file holds the closed lists of numbers that the others share.
 */

/** Request methods the proxy tells apart (RFC 9110 section 9); every other token is `other`. */
export const METHOD = {
  other: 0,
  get: 1,
  head: 2,
  post: 3,
  put: 4,
  delete: 5,
  connect: 6,
  options: 7,
  trace: 8,
  patch: 9,
} as const;

/** A value of METHOD. */
export type Method = (typeof METHOD)[keyof typeof METHOD];

/** The form of a request target (RFC 9112 section 3.2); `other` is none of them, but names no authority either. */
export const FORM = { origin: 0, absolute: 1, authority: 2, asterisk: 3, other: 4 } as const;

/** A value of FORM. */
export type Form = (typeof FORM)[keyof typeof FORM];

/** How the end of a message's body is known (RFC 9112 section 6.3). */
export const BODY = {
  /** No body. */
  none: 0,
  /** Content-Length bytes. */
  length: 1,
  /** Chunked transfer coding, trailers included. */
  chunked: 2,
  /** Responses only: everything until the connection ends. */
  untilClose: 3,
  /** Responses only: an interim 1xx answer without a body; the final head follows. */
  interim: 4,
  /** Responses only: 101 or CONNECT 2xx; from here on bytes flow opaquely both ways. */
  tunnel: 5,
} as const;

/** A value of BODY. */
export type Body = (typeof BODY)[keyof typeof BODY];

/** What a head line is to the next hop: the value of `head.kinds[i]`. */
export const KIND = {
  /** Forwarded byte for byte. */
  endToEnd: 0,
  /** Never forwarded. */
  gone: 1,
  /** A Connection field: as it came, unless the next hop is told something else. */
  connection: 2,
  /** A TE field: only `trailers` of it crosses, because no other coding is understood. */
  te: 3,
  /** The Host field: replaced when an absolute-form target names another host. */
  host: 4,
  /** A Content-Length that is written anew, as plain decimal. */
  length: 5,
  /** A Transfer-Encoding that is written anew, as `chunked`. */
  coding: 6,
  /** A value of several lines, which are joined (RFC 9112 section 5.2). */
  folded: 7,
} as const;

/** Bits of `Head.seen`. */
export const SEEN = {
  host: 1,
  length: 2,
  coding: 4,
  /** Connection lists `close`. */
  close: 8,
  keepAlive: 16,
  upgradeListed: 32,
  teListed: 64,
  upgradeField: 128,
  /** Upgrade lists `h2c`. */
  h2c: 256,
  /** A TE field crosses. */
  teKept: 512,
  /** A TE field does not cross. */
  teGone: 1024,
} as const;

/** Why a message is refused. Negative, so that a parser can answer an offset or a problem in one number. */
export const PROBLEM = {
  startLine: -1,
  version: -2,
  target: -3,
  lineEnd: -4,
  fieldName: -5,
  fieldValue: -6,
  obsFold: -7,
  headTooLarge: -8,
  tooManyFields: -9,
  contentLength: -10,
  lengthTwice: -11,
  lengthAndCoding: -12,
  transferCoding: -13,
  unknownCoding: -14,
  codingInOld: -15,
  host: -16,
  connectionList: -17,
  connectBody: -18,
  unaskedUpgrade: -19,
  chunkSize: -20,
  chunkExtension: -21,
  chunkEnd: -22,
  trailer: -23,
  trailerTooLarge: -24,
} as const;

/** A value of PROBLEM. */
export type Problem = (typeof PROBLEM)[keyof typeof PROBLEM];
