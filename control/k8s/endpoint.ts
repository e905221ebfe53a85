/** How the API server is reached: address, TLS and credentials from a kubeconfig, connections of our own. */

import type { RequestOptions } from "node:https";
import type { ConnectionOptions as TlsOptions } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import type { KubeConfig } from "@kubernetes/client-node";
import { Agent, type Dispatcher, ProxyAgent } from "undici";

/** What one request needs. */
export interface ApiAccess {
  /** Scheme, host and port, perhaps with a path before the API's own; no slash at the end. */
  readonly base: string;
  readonly dispatcher: Dispatcher;
  readonly headers: Readonly<Record<string, string>>;
}

/** A silent connection is asked after this long whether its peer lives (TCP keep-alive). */
const KEEP_ALIVE_MS = 30_000;
/**
 * A connection without a request is closed after this long: enough for the next page of a list or the next call
 * of a burst, and shorter than every time-out of a request. So one that died while idle (a load balancer forgot
 * it, a node vanished) is hardly ever met, and after a request that timed out none from before it is left.
 */
const IDLE_MS = 500;
/** A connection that does not come about within this is given up. */
const CONNECT_MS = 5000;

/**
 * The API server of a kubeconfig's current context. client-node reads the credentials (token files are read
 * again, as kubelet rotates them); connections are ours. They speak HTTP/1.1, where a request that is given up takes its
 * connection along; over HTTP/2 all requests share one, and a dead one is left to the next.
 */
export class ApiEndpoint implements AsyncDisposable {
  readonly #config: KubeConfig;
  #made: { readonly way: Way; readonly dispatcher: Dispatcher } | undefined;

  constructor(config: KubeConfig) {
    this.#config = config;
  }

  /** What the next request needs. Rejects when the kubeconfig names no cluster or a file of it can't be read. */
  async access(): Promise<ApiAccess> {
    const cluster = this.#config.getCurrentCluster();
    if (cluster === null) throw new Error("the kubeconfig has no current context; name one");
    const options: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    const { ca, cert, key, servername, rejectUnauthorized = true, headers } = options;
    const way: Way = {
      proxy: cluster.proxyUrl,
      tls: {
        ...(ca !== undefined && { ca }),
        ...(cert !== undefined && { cert }),
        ...(key !== undefined && { key }),
        ...(servername !== undefined && { servername }),
        rejectUnauthorized,
      },
    };
    return {
      base: cluster.server.replace(/\/$/, ""),
      dispatcher: this.#dispatcher(way),
      headers: textHeaders(headers),
    };
  }

  /** Ends all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#made?.dispatcher.destroy();
  }

  #dispatcher(way: Way): Dispatcher {
    if (this.#made !== undefined && isDeepStrictEqual(this.#made.way, way))
      return this.#made.dispatcher;
    // Other certificates than before: what is under way ends on the old connections.
    void this.#made?.dispatcher.close().catch(() => undefined);
    const dispatcher = makeDispatcher(way);
    this.#made = { way, dispatcher };
    return dispatcher;
  }
}

/** How connections are made. */
interface Way {
  readonly proxy: string | undefined;
  readonly tls: Pick<TlsOptions, "ca" | "cert" | "key" | "servername" | "rejectUnauthorized">;
}

function makeDispatcher({ proxy, tls }: Way): Dispatcher {
  const idle = { keepAliveTimeout: IDLE_MS, keepAliveMaxTimeout: IDLE_MS };
  const common = { ...idle, headersTimeout: 30_000, allowH2: false };
  if (proxy?.startsWith("socks") === true)
    throw new Error("a SOCKS proxy in the kubeconfig is not supported; use an HTTP proxy");
  if (proxy !== undefined) return new ProxyAgent({ ...common, uri: proxy, requestTls: tls });
  const alive = { keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  return new Agent({ ...common, connect: { ...tls, ...alive, timeout: CONNECT_MS } });
}

function textHeaders(headers: RequestOptions["headers"]): Readonly<Record<string, string>> {
  const entries = Object.entries(headers ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), String(value)]));
}
