/** The TLS server that agents come to, and its certificate, which is renewed without touching open connections. */

import { createSecureServer, type Http2SecureServer, type SecureServerOptions } from "node:http2";
import { SERVER_SETTINGS } from "../publish/server.ts";
import { type Authority, type KeyPairTexts, makeServing } from "./authority.ts";

/** How often the certificate is looked at. The wall clock decides, so a machine that slept is right at once. */
const LOOK_MS = 60_000;
/** An agent that does not finish its handshake in this time is dropped. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** What a serving server needs. */
export interface ServingOptions {
  /** Signs the first certificate. */
  readonly authority: Authority;
  /** The authority to sign the next certificate with instead of the one in use; asked again at the next look when it rejects. */
  readonly newest: (inUse: Authority) => Promise<Authority>;
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
  /** What the certificate that is shown now was signed with. */
  readonly authority: Authority;
}

/** Makes a server of HTTP/2 over TLS 1.3, and nothing else. Dispose to stop renewing; closing the server is the caller's. */
export function startServing(options: ServingOptions): Serving {
  const { dnsNames, now, newest } = options;
  let { authority } = options;
  let { renewAt, ...shown } = makeServing(authority, dnsNames, now());
  const server = createSecureServer({
    ...contextOf(shown),
    allowHTTP1: false,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    settings: SERVER_SETTINGS,
  });
  let renewing = false;
  const renew = async (): Promise<void> => {
    const asked = await newest(authority).catch(() => undefined);
    authority = asked ?? authority;
    const made = makeServing(authority, dnsNames, now());
    // For new connections; those that are open keep what they agreed on.
    server.setSecureContext(contextOf(made));
    // Without an answer it may have been the wrong authority that signed: it is renewed again soon.
    if (asked === undefined) return;
    renewAt = made.renewAt;
    options.onRenewed?.(renewAt);
  };
  const look = async (): Promise<void> => {
    if (renewing || now() < renewAt) return;
    renewing = true;
    await renew();
    renewing = false;
  };
  const timer = setInterval(() => void look(), options.lookMs ?? LOOK_MS);
  timer.unref();
  return {
    server,
    get authority() {
      return authority;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

function contextOf({ certificate, privateKey }: KeyPairTexts): SecureServerOptions {
  return { cert: certificate, key: privateKey, minVersion: "TLSv1.3" };
}
