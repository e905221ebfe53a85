/** One HTTP/2 connection to control: the stream of messages, acks, and the watch whether the peer lives. */

import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from "node:http2";
import { connect as connectSocket } from "node:net";

/** Where control listens. */
export type ControlAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** An acknowledgement; with a problem it is a refusal. */
export interface Ack {
  readonly node: string;
  readonly epoch: string;
  readonly version: number;
  readonly field?: string;
  readonly problem?: string;
}

/** Opens a cleartext HTTP/2 connection. TLS will be another function of this shape. */
export function connectCleartext(address: ControlAddress): ClientHttp2Session {
  if (address.kind === "unix")
    return connect("http://control", { createConnection: () => connectSocket(address.path) });
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return connect(`http://${host}:${address.port}`);
}

/**
 * Asks for the stream of snapshots. Resolves with the stream once control accepts; rejects with control's
 * own words when it refuses, or when it says nothing for `timeoutMs`.
 */
export async function openSnapshots(
  session: ClientHttp2Session,
  path: string,
  timeoutMs: number,
): Promise<ClientHttp2Stream> {
  const stream = session.request({ ":method": "GET", ":path": path });
  const timer = setTimeout(
    () => session.destroy(new Error(`control did not answer within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    const headers = await responseOf(session, stream);
    const status = Number(headers[":status"]);
    if (status === 200) return stream;
    throw new Error(`control answered ${status}: ${(await textOf(stream)).trim()}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Sends an ack; resolves when control has taken it, rejects with why it has not. */
export async function sendAck(session: ClientHttp2Session, ack: Ack): Promise<void> {
  const stream = session.request({ ":method": "POST", ":path": "/v1/acks" });
  stream.end(JSON.stringify(ack));
  const headers = await responseOf(session, stream);
  const text = await textOf(stream);
  if (Number(headers[":status"]) !== 204)
    throw new Error(`control refused the ack: ${text.trim()}`);
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
  stream.once("error", reject);
  stream.once("close", () => reject(new Error("the stream ended before an answer")));
  session.once("error", reject);
  void promise
    .finally(() => session.off("error", reject))
    // The caller gets the same rejection.
    .catch(() => {});
  return promise;
}

async function textOf(stream: ClientHttp2Stream): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of stream as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}
