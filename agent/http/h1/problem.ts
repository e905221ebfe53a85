import type { Reason } from "#model/refusal.ts";
import { PROBLEM, type Problem } from "./codes.ts";

/** The rule that refused a message: a PROBLEM's name in words. docs/http.md has all. */
export type Rule = Kebab<keyof typeof PROBLEM>;

type Kebab<Text extends string> = Text extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `-${Lowercase<First>}`}${Kebab<Rest>}`
  : Text;

/** What to say about a refused message. */
export interface ProblemReport {
  readonly reason: Reason;
  readonly rule: Rule;
  /** The HTTP status to answer the client with. */
  readonly status: number;
  /** What was seen, for the log and `explain`. */
  readonly detail: string;
}

type Name = keyof typeof PROBLEM;

const MALFORMED = { reason: "request-malformed", status: 400 } as const;
const AMBIGUOUS = { reason: "framing-ambiguous", status: 400 } as const;

const REPORTS: Readonly<Record<Name, Omit<ProblemReport, "rule">>> = {
  startLine: {
    ...MALFORMED,
    detail: "the start line is not three words, the last or first an HTTP version",
  },
  version: {
    reason: "version-unsupported",
    status: 505,
    detail: "the version is not HTTP/1",
  },
  target: { ...MALFORMED, detail: "it is unclear whether the target's authority counts or Host" },
  lineEnd: { ...MALFORMED, detail: "a line does not end in CR LF" },
  fieldName: {
    ...MALFORMED,
    detail:
      "a field name is empty, has white space, a control character or an octet over 0x7e, or seems another",
  },
  fieldValue: {
    ...MALFORMED,
    detail: "a field value has a control character that some take for a line's end",
  },
  obsFold: { ...MALFORMED, detail: "a field that decides, or an empty line, is folded (obs-fold)" },
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
  contentLength: { ...AMBIGUOUS, detail: "Content-Length is not a decimal number" },
  lengthTwice: { ...AMBIGUOUS, detail: "Content-Length has two values" },
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
  const { rule, detail } = requestProblem(code);
  return { reason: "upstream-malformed", rule, status: 502, detail };
}

function byCode(): (ProblemReport | undefined)[] {
  const reports: (ProblemReport | undefined)[] = [];
  for (const [name, code] of Object.entries(PROBLEM))
    reports[-code] = { ...REPORTS[name as Name], rule: ruleOf(name as Name) };
  return reports;
}

function ruleOf(name: Name): Rule {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) as Rule;
}
