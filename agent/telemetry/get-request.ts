/** Reads what somebody asks a GetServer: the little of HTTP/1.1 that needs no body. Pure. */

/** A request, as routes see it. */
export interface GetRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** By lower-case name; of a name that comes again the last. */
  readonly headers: ReadonlyMap<string, string>;
  /** Whether the connection may be used again: the version and the client want it, and no body follows. */
  readonly keepAlive: boolean;
  readonly hasBody: boolean;
}

/** What a path answers. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** What the first bytes of a connection say. */
export type Reading =
  /** The head goes on. */
  | { readonly kind: "part" }
  /** `length`: bytes of it. */
  | { readonly kind: "request"; readonly request: GetRequest; readonly length: number }
  /** HTTP's status, and why. */
  | { readonly kind: "refused"; readonly status: 400 | 431 | 505; readonly problem: string };

/** The longest head, bytes. */
export const MAX_HEAD_BYTES = 8_192;

const END = "\r\n\r\n";
const LINE = /^([A-Z]{1,20}) ([\x21-\x7e]+) HTTP\/(\d)\.(\d)$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*(.*?)[\t ]*$/;

/** Reads a request's head. */
export function readRequest(bytes: Buffer): Reading {
  const end = bytes.indexOf(END);
  if (end < 0 || end + END.length > MAX_HEAD_BYTES)
    return bytes.length > MAX_HEAD_BYTES
      ? refused(431, `the head is longer than ${MAX_HEAD_BYTES} bytes`)
      : { kind: "part" };
  const lines = bytes
    .toString("latin1", 0, end)
    .replace(/^(?:\r\n)+/, "")
    .split("\r\n");
  const [, method, target, major, minor] = LINE.exec(lines.shift() ?? "") ?? [];
  if (method === undefined || target === undefined)
    return refused(400, "the first line is no request of HTTP/1.1");
  if (major !== "1") return refused(505, "only HTTP/1.1 is spoken here");
  const headers = fieldsIn(lines);
  if (headers === undefined) return refused(400, "a field can't be read");
  const hasBody = announcesBody(headers);
  const [path = "/", query = ""] = target.split("?", 2);
  const request = {
    ...{ method, path, query: new URLSearchParams(query), headers, hasBody },
    keepAlive: !hasBody && wantsToStay(headers, minor === "0"),
  };
  return { kind: "request", request, length: end + END.length };
}

function fieldsIn(lines: readonly string[]): ReadonlyMap<string, string> | undefined {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value = ""] = FIELD.exec(line) ?? [];
    if (name === undefined) return undefined;
    headers.set(name.toLowerCase(), value);
  }
  return headers;
}

function announcesBody(headers: ReadonlyMap<string, string>): boolean {
  return headers.has("transfer-encoding") || !/^0*$/.test(headers.get("content-length") ?? "");
}

/** HTTP/1.1 stays unless it says otherwise, HTTP/1.0 ends. */
function wantsToStay(headers: ReadonlyMap<string, string>, isOld: boolean): boolean {
  const connection = (headers.get("connection") ?? "").toLowerCase();
  return isOld ? connection.includes("keep-alive") : !connection.includes("close");
}

function refused(status: 400 | 431 | 505, problem: string): Reading {
  return { kind: "refused", status, problem };
}
