/**
 * agent/http/h1: the HTTP/1.1 codec as pure functions over bytes. It may import agent/model only. It
 * never touches a socket, a timer or a promise, never allocates per message on the good path, and
 * never repairs: what could be understood in two ways is refused (RFC 9112; request smuggling).
 *
 *   const head = new Head({ maxHeadBytes: 65536, maxFields: 128 });   // reusable; pool them
 *   head.feed(bytes, start, end);             // all bytes of the head that arrived so far
 *   const at = parseRequest(head);            // parse-head.ts; or parseResponse(head)
 *   // at > 0: complete, the body begins at `at`; 0: incomplete, feed again with more; < 0: a PROBLEM
 *   requestProblem(at) / responseProblem(at)  // problem.ts: { reason, status, detail } to answer and log
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

/** The form of a request target (RFC 9112 section 3.2). */
export const FORM = { origin: 0, absolute: 1, authority: 2, asterisk: 3 } as const;

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
  /** Never forwarded (RFC 9110 section 7.6.1). */
  hop: 1,
  /** The Upgrade field: forwarded only when the upgrade is. */
  upgrade: 2,
  /** The TE field: only `trailers` crosses. */
  te: 3,
  /** The Host field: replaced when an absolute-form target names another host. */
  host: 4,
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
  bodyForbidden: -19,
  unaskedUpgrade: -20,
  chunkSize: -21,
  chunkExtension: -22,
  chunkEnd: -23,
  trailer: -24,
  trailerTooLarge: -25,
} as const;

/** A value of PROBLEM. */
export type Problem = (typeof PROBLEM)[keyof typeof PROBLEM];
