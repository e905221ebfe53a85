/**
 * Node's own HTTP parser (llhttp, strict mode) as a reference for tests and benches, reached through the
 * module that node:http itself takes it from, so that bytes go straight in without sockets or timing.
 */
import { createRequire } from "node:module";

/** What llhttp understood of one stream of bytes. */
export interface Understood {
  readonly messages: readonly UnderstoodMessage[];
  /** llhttp's error code, for example `HPE_INVALID_CONSTANT`, when it refused. */
  readonly error: string | undefined;
}

/** One message as llhttp saw it. */
export interface UnderstoodMessage {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly minor: number;
  /** Name, value, name, value… */
  readonly fields: readonly string[];
  readonly keepAlive: boolean;
  readonly body: string;
  /** The message's end was seen. */
  readonly complete: boolean;
  /** llhttp stops behind this head: CONNECT, or an upgrade. */
  readonly upgrade: boolean;
}

interface Parser {
  [callback: number]: (...values: never[]) => unknown;
  initialize(type: number, resource: object, maxHeadBytes: number, lenient: number): void;
  execute(bytes: Uint8Array): number | Error;
  finish(): Error | undefined;
}

interface Binding {
  readonly methods: readonly string[];
  readonly HTTPParser: {
    new (): Parser;
    readonly REQUEST: number;
    readonly RESPONSE: number;
    readonly kOnHeaders: number;
    readonly kOnHeadersComplete: number;
    readonly kOnBody: number;
    readonly kOnMessageComplete: number;
  };
}

type HeadersComplete = [
  major: number,
  minor: number,
  fields: string[] | undefined,
  method: number | undefined,
  url: string | undefined,
  status: number | undefined,
  reason: string | undefined,
  upgrade: boolean,
  keepAlive: boolean,
];

const MAX_HEAD_BYTES = 65_536;

// Not in the type definitions: an internal module that has kept its name since Node 0.x.
const { HTTPParser, methods } = createRequire(import.meta.url)("_http_common") as Binding;

/** The methods llhttp knows; it refuses all others. */
export const KNOWN_METHODS: readonly string[] = methods;

/** Mutable while llhttp speaks. */
interface Draft {
  method: string;
  url: string;
  status: number;
  minor: number;
  fields: string[];
  keepAlive: boolean;
  body: string;
  complete: boolean;
  upgrade: boolean;
}

/**
 * Lets llhttp read a whole stream of requests or responses. `skipBody` says of each response whether it
 * has no body although its head announces one (an answer to HEAD).
 */
export function understand(
  kind: "request" | "response",
  bytes: Uint8Array,
  skipBody = false,
): Understood {
  const messages: Draft[] = [];
  const parser = new HTTPParser();
  let early: string[] = [];
  let earlyUrl = "";
  parser.initialize(HTTPParser[kind === "request" ? "REQUEST" : "RESPONSE"], {}, MAX_HEAD_BYTES, 0);
  parser[HTTPParser.kOnHeaders] = (fields: string[], url: string): void => {
    early.push(...fields);
    earlyUrl += url;
  };
  parser[HTTPParser.kOnHeadersComplete] = (...seen: HeadersComplete): number => {
    const [, minor, fields, method, url, status, , upgrade, keepAlive] = seen;
    messages.push({
      method: methods[method ?? -1] ?? "",
      url: earlyUrl + (url ?? ""),
      status: status ?? 0,
      minor,
      fields: fields ?? early,
      keepAlive,
      body: "",
      complete: false,
      upgrade,
    });
    early = [];
    earlyUrl = "";
    return skipBody ? 1 : 0;
  };
  parser[HTTPParser.kOnBody] = (piece: Buffer): void => {
    const last = messages.at(-1);
    if (last !== undefined) last.body += piece.toString("latin1");
  };
  parser[HTTPParser.kOnMessageComplete] = (): void => {
    const last = messages.at(-1);
    if (last !== undefined) last.complete = true;
    early = [];
    earlyUrl = "";
  };
  const result = parser.execute(bytes);
  const error = result instanceof Error ? (result as Error & { code?: string }).code : undefined;
  return { messages, error: result instanceof Error ? (error ?? "unknown") : undefined };
}

/** For benches: a function that parses this one head again and again with one llhttp parser. */
export function llhttpHead(bytes: Uint8Array): () => void {
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {}, MAX_HEAD_BYTES, 0);
  parser[HTTPParser.kOnHeadersComplete] = (): number => 0;
  parser[HTTPParser.kOnMessageComplete] = (): void => undefined;
  return () => {
    if (parser.execute(bytes) !== bytes.length) throw new Error("llhttp refused the sample");
  };
}
