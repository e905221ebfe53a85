/** One HTTP/2 connection to control: the stream of messages and acks, and the watch whether the peer lives. */

import { readFileSync } from "node:fs";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { connect as connectSocket } from "node:net";
import { FORMAT } from "#model/codec.ts";
import { encodeFrame } from "#model/frames.ts";
import type { MisdeclaredPort } from "#model/misdeclared.ts";
import type { Snapshot } from "#model/snapshot.ts";

/** Where control listens. */
export type ControlAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** An acknowledgement by a request; with a problem it is a refusal. */
export interface Ack {
  readonly node: string;
  readonly epoch: string;
  readonly version: number;
  readonly field?: string;
  readonly problem?: string;
}

/** How control is reached over TLS. The kubelet rewrites both files now and then. */
export interface TlsControl {
  readonly host: string;
  readonly port: number;
  /** PEM of the mesh's authorities: nobody else's certificate is taken, also none of the system's. */
  readonly caFile: string;
  /** This agent's ServiceAccount token for control. */
  readonly tokenFile: string;
  /** The name that control's certificate must have. */
  readonly serverName: string;
}

/** Which snapshot somebody has. */
export type Position = Pick<Snapshot, "epoch" | "version">;

/** What an agent asks for. */
export interface SnapshotsRequest {
  readonly node: string;
  /** The snapshot it has. */
  readonly have: Position | undefined;
}

/** What a session shows about who it is. */
interface Credentials {
  /** Where the token is. */
  readonly file: string;
  /** The token that control took last; empty until it took one. */
  taken: string;
}

/** Sessions that show a token. */
const credentialsOf = new WeakMap<ClientHttp2Session, Credentials>();

/** Opens a cleartext HTTP/2 connection: to a unix socket, or in the simulator. */
export function connectCleartext(address: ControlAddress): ClientHttp2Session {
  if (address.kind === "unix")
    return connect("http://control", { createConnection: () => connectSocket(address.path) });
  return connect(`http://${hostText(address.host)}:${address.port}`);
}

/**
 * Opens an HTTP/2 connection over TLS 1.3 on which every request shows the token. The CA is read now, the
 * token for each request. Throws when a file can't be used; what is wrong with control's certificate shows
 * as the first request's error.
 */
export function connectTls(control: TlsControl): ClientHttp2Session {
  const ca = readText(control.caFile, "the mesh's CA");
  // An empty list would make Node trust the system's authorities.
  if (!ca.includes("-----BEGIN CERTIFICATE-----"))
    throw new Error(`${control.caFile}: holds no certificate; it must be nodemesh-root's ca.crt`);
  readToken(control.tokenFile);
  const session = connect(`https://${hostText(control.host)}:${control.port}`, {
    ca,
    servername: control.serverName,
    minVersion: "TLSv1.3",
  });
  credentialsOf.set(session, { file: control.tokenFile, taken: "" });
  return session;
}

function hostText(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

/**
 * Whether the session's token was renewed since control took one. False also when there is none to be read: the next
 * request says so.
 */
export function hasNewToken(session: ClientHttp2Session): boolean {
  const credentials = credentialsOf.get(session);
  if (credentials === undefined) return false;
  try {
    return readToken(credentials.file) !== credentials.taken;
  } catch {
    return false;
  }
}

/** A request that shows the token as it is now, and what to call when control has taken it. */
function request(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
): { readonly stream: ClientHttp2Stream; readonly taken: () => void } {
  const credentials = credentialsOf.get(session);
  if (credentials === undefined) return { stream: session.request(headers), taken: () => {} };
  const token = readToken(credentials.file);
  const stream = session.request({ ...headers, authorization: `Bearer ${token}` });
  const taken = (): void => {
    credentials.taken = token;
  };
  return { stream, taken };
}

function readToken(file: string): string {
  const token = readText(file, "this agent's token").trim();
  if (/^[\w.~+/-]+=*$/.test(token)) return token;
  throw new Error(`${file}: holds no token; it must be a projected serviceAccountToken`);
}

/** Small files of a projected volume: replaced by renaming, so never half-written. */
function readText(file: string, what: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`can't read ${what}: ${problem}; see the volume nodemesh of the agent's pod`, {
      cause,
    });
  }
}

/** What a failed handshake means here, by OpenSSL's and Node's codes. */
const TLS_CAUSES: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: "is not signed by the mesh's CA",
  DEPTH_ZERO_SELF_SIGNED_CERT: "is not signed by the mesh's CA",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "is not signed by the mesh's CA",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "is not signed by the mesh's CA",
  CERT_SIGNATURE_FAILURE: "is not signed by the mesh's CA",
  INVALID_CA: "is signed by something that is no CA",
  CERT_HAS_EXPIRED: "has expired",
  CERT_NOT_YET_VALID: "is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "is for another name",
};

const TLS_NEXT_STEPS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "compare this node's clock with control's, then restart control",
  CERT_NOT_YET_VALID: "compare this node's clock with control's",
  ERR_TLS_CERT_ALTNAME_INVALID: "check --control-name and where --control leads",
};

const DEFAULT_NEXT_STEP =
  "compare ConfigMap nodemesh-root with Secret nodemesh-ca; restart control to renew both";

/** Says what is wrong with control's certificate, and what to do; other errors as they are. */
function explained(thrown: unknown): Error {
  const cause = rootOf(thrown);
  const { code = "", message } = cause;
  const problem = TLS_CAUSES[code];
  if (problem === undefined) return cause;
  const next = TLS_NEXT_STEPS[code] ?? DEFAULT_NEXT_STEP;
  return new Error(`control's certificate ${problem} (${code}, ${message}): ${next}`, { cause });
}

/** A stream of a session that failed tells of it in a cause only. */
function rootOf(thrown: unknown): NodeJS.ErrnoException {
  if (!(thrown instanceof Error)) return new Error(String(thrown));
  return thrown.cause instanceof Error ? thrown.cause : thrown;
}

/**
 * Asks for the stream of snapshots, from `have` on or (undefined) from nothing. Resolves with the stream once control accepts; rejects with control's
 * own words when it refuses, or when it says nothing for `timeoutMs`.
 */
export async function openSnapshots(
  session: ClientHttp2Session,
  { node, have }: SnapshotsRequest,
  timeoutMs: number,
): Promise<ClientHttp2Stream> {
  const query = new URLSearchParams({ node, format: String(FORMAT) });
  if (have !== undefined) query.set("have", `${have.epoch}:${have.version}`);
  const path = `/v1/snapshots?${query}`;
  const { stream, taken } = request(session, { ":method": "POST", ":path": path });
  const timer = setTimeout(
    () => session.destroy(new Error(`control did not answer within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    const headers = await responseOf(session, stream);
    const status = Number(headers[":status"]);
    if (status !== 200)
      throw new Error(`control answered ${status}: ${(await textOf(stream)).trim()}`);
    taken();
    return stream;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Tells control on the stream of snapshots what is enforced: one small frame, without an answer. A request for each ack
 * would cost both sides three times as much. An ack may say too which ports declare what is not spoken there, all that are
 * known; controls that know nothing of that take it as an ack.
 */
export function ackOn(
  stream: ClientHttp2Stream,
  { epoch, version }: Position,
  misdeclared?: readonly MisdeclaredPort[],
): void {
  const ack = { epoch, version, ...(misdeclared !== undefined && { misdeclared }) };
  stream.write(encodeFrame(Buffer.from(JSON.stringify(ack))));
}

/** Sends an ack by a request of its own; resolves when control has taken it, rejects with why it has not. */
export async function sendAck(session: ClientHttp2Session, ack: Ack): Promise<void> {
  const { stream, taken } = request(session, { ":method": "POST", ":path": "/v1/acks" });
  stream.end(JSON.stringify(ack));
  const headers = await responseOf(session, stream);
  const text = await textOf(stream);
  if (Number(headers[":status"]) !== 204)
    throw new Error(`control refused the ack: ${text.trim()}`);
  taken();
}

/**
 * Pings until the session ends; when a ping is unanswered at the time of the next, the peer counts as
 * dead and the session is destroyed: a vanished node sends no FIN. `onAnswer` is called after each answer.
 */
export function watchPeer(
  session: ClientHttp2Session,
  everyMs: number,
  onAnswer: () => void,
): void {
  let waiting = false;
  const timer = setInterval(() => {
    if (session.connecting || session.destroyed) return;
    if (waiting) {
      session.destroy(new Error(`control did not answer a ping within ${everyMs} ms`));
      return;
    }
    waiting = true;
    session.ping((error) => {
      // A destroyed session answers its open pings with an error.
      if (error !== null) return;
      waiting = false;
      onAnswer();
    });
  }, everyMs);
  session.on("close", () => clearInterval(timer));
}

/** The response's headers. A session that fails to connect tells only the session, so both are heard. */
function responseOf(
  session: ClientHttp2Session,
  stream: ClientHttp2Stream,
): Promise<IncomingHttpHeaders> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingHttpHeaders>();
  stream.once("response", resolve);
  const failed = (cause: unknown): void => reject(explained(cause));
  stream.once("error", failed);
  stream.once("close", () => reject(new Error("the stream ended before an answer")));
  session.once("error", failed);
  void promise
    .finally(() => session.off("error", failed))
    // The caller gets the same rejection.
    .catch(() => {});
  return promise;
}

async function textOf(stream: ClientHttp2Stream): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}
