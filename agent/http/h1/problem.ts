import type { Reason } from "#model/refusal.ts";
import { PROBLEM, type Problem } from "./codes.ts";

/** What to say about a refused message. */
export interface ProblemReport {
  readonly reason: Reason;
  /** The HTTP status to answer the client with. */
  readonly status: number;
  /** What was seen, for the log and `explain`. */
  readonly detail: string;
}

type Name = keyof typeof PROBLEM;

const MALFORMED = { reason: "request-malformed", status: 400 } as const;
const AMBIGUOUS = { reason: "framing-ambiguous", status: 400 } as const;

const REPORTS: Readonly<Record<Name, ProblemReport>> = {
  startLine: { ...MALFORMED, detail: "the start line does not have the form of HTTP/1.1" },
  version: {
    reason: "version-unsupported",
    status: 505,
    detail: "the version is not HTTP/1.0 or HTTP/1.1",
  },
  target: { ...MALFORMED, detail: "the request target is not valid for its method" },
  lineEnd: { ...MALFORMED, detail: "a line does not end in CR LF" },
  fieldName: { ...MALFORMED, detail: "a field name is empty or has a forbidden character" },
  fieldValue: { ...MALFORMED, detail: "a field value has a control character" },
  obsFold: { ...MALFORMED, detail: "a field is continued on the next line (obs-fold)" },
  headTooLarge: {
    reason: "head-too-large",
    status: 431,
    detail: "the head is over the byte limit",
  },
  tooManyFields: {
    reason: "too-many-headers",
    status: 431,
    detail: "the head has too many fields",
  },
  contentLength: { ...AMBIGUOUS, detail: "Content-Length is not a plain decimal number" },
  lengthTwice: { ...AMBIGUOUS, detail: "Content-Length comes more than once" },
  lengthAndCoding: { ...AMBIGUOUS, detail: "both Content-Length and Transfer-Encoding are there" },
  transferCoding: { ...AMBIGUOUS, detail: "Transfer-Encoding is not exactly `chunked`" },
  unknownCoding: {
    reason: "request-malformed",
    status: 501,
    detail: "Transfer-Encoding has a coding besides `chunked`",
  },
  codingInOld: { ...AMBIGUOUS, detail: "Transfer-Encoding in an HTTP/1.0 message" },
  host: { ...MALFORMED, detail: "Host is missing, repeated or invalid" },
  connectionList: {
    ...AMBIGUOUS,
    detail: "Connection lists Content-Length, Transfer-Encoding, Host or too many fields",
  },
  connectBody: { ...AMBIGUOUS, detail: "a CONNECT request has a body" },
  bodyForbidden: { ...AMBIGUOUS, detail: "a body is announced where the status allows none" },
  unaskedUpgrade: { ...AMBIGUOUS, detail: "101 answers a request that asked for no upgrade" },
  chunkSize: { ...AMBIGUOUS, detail: "a chunk size is not a plain hexadecimal number" },
  chunkExtension: {
    ...AMBIGUOUS,
    detail: "a chunk extension is too long or has a control character",
  },
  chunkEnd: { ...AMBIGUOUS, detail: "a chunk does not end in CR LF where its size says" },
  trailer: { ...AMBIGUOUS, detail: "a trailer field is malformed or may not be a trailer" },
  trailerTooLarge: {
    reason: "head-too-large",
    status: 431,
    detail: "the trailers are over the byte limit",
  },
};

const BY_CODE: readonly (ProblemReport | undefined)[] = byCode();

/** Tells a PROBLEM from the (never negative) offset or kind that a function of this codec answers otherwise. */
export function isProblem<Good extends number>(answer: Good | Problem): answer is Problem {
  return answer < 0;
}

/** What to answer and log about a request refused with this (negative) code. Throws RangeError on a number that is no PROBLEM. */
export function requestProblem(code: number): ProblemReport {
  const report = BY_CODE[-code];
  if (report === undefined) throw new RangeError(`not a PROBLEM: ${code}`);
  return report;
}

/** The same for a response: always `upstream-malformed` and 502, with the request wording's detail. */
export function responseProblem(code: number): ProblemReport {
  return { reason: "upstream-malformed", status: 502, detail: requestProblem(code).detail };
}

function byCode(): (ProblemReport | undefined)[] {
  const reports: (ProblemReport | undefined)[] = [];
  for (const [name, code] of Object.entries(PROBLEM)) reports[-code] = REPORTS[name as Name];
  return reports;
}
