/** The TLS server that agents come to, and its certificate, which is renewed without touching open connections. */

import { createSecureServer, type Http2SecureServer, type SecureServerOptions } from "node:http2";
import { type Authority, makeServing, type ServingCertificate } from "./authority.ts";

/** How often the certificate is looked at. The wall clock decides, so a machine that slept is right at once. */
const LOOK_MS = 60_000;
/** An agent that does not finish its handshake in this time is dropped. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** What a serving server needs. */
export interface ServingOptions {
  readonly authority: Authority;
  /** See servingNames. */
  readonly dnsNames: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told of each renewal, with the time of the next. */
  readonly onRenewed?: (renewAt: number) => void;
  readonly lookMs?: number;
}

/** The server, not yet listening, and the end of its renewals. */
export interface Serving extends Disposable {
  readonly server: Http2SecureServer;
}

/** Makes a server of HTTP/2 over TLS 1.3, and nothing else. Dispose to stop renewing; closing the server is the caller's. */
export function startServing(options: ServingOptions): Serving {
  const { authority, dnsNames, now } = options;
  let current = makeServing(authority, dnsNames, now());
  const server = createSecureServer({
    ...contextOf(current),
    allowHTTP1: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    // An agent needs one stream for snapshots and one per ack.
    settings: { maxConcurrentStreams: 16 },
  });
  const timer = setInterval(() => {
    if (now() < current.renewAt) return;
    current = makeServing(authority, dnsNames, now());
    // For new connections; those that are open keep what they agreed on.
    server.setSecureContext(contextOf(current));
    options.onRenewed?.(current.renewAt);
  }, options.lookMs ?? LOOK_MS);
  timer.unref();
  return { server, [Symbol.dispose]: () => clearInterval(timer) };
}

function contextOf({ certificate, privateKey }: ServingCertificate): SecureServerOptions {
  return { cert: certificate, key: privateKey, minVersion: "TLSv1.3" };
}
