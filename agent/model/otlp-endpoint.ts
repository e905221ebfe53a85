/** The address of a collector that takes OTLP (opentelemetry.io, "OTLP specification"). */

/** Where spans go. */
export interface OtlpEndpoint {
  readonly protocol: "http" | "grpc";
  /** For the exporter: http: or https:, of HTTP with the path. */
  readonly url: string;
}

/** Where OTLP is posted to by default (opentelemetry.io, "OTLP exporter", "otlp/http"). */
const DEFAULT_PATH = "/v1/traces";

/** No user, query or fragment. */
const OTLP_URL = /^(http|grpc)(s?):\/\/([^/?#\s@]+)(\/[^?#\s]*)?$/;

/** Reads an address as users write it: http(s)://HOST:PORT[/PATH] or grpc(s)://HOST:PORT. Undefined: it is none. */
export function parseOtlpEndpoint(text: string): OtlpEndpoint | undefined {
  const match = OTLP_URL.exec(text);
  if (match === null) return undefined;
  const [, protocol, secure, host, path = ""] = match;
  if (protocol === "grpc" && path.length > 1) return undefined;
  const base = `http${secure}://${host}`;
  if (!URL.canParse(base)) return undefined;
  if (protocol === "grpc") return { protocol, url: base };
  return { protocol: "http", url: base + (path.length > 1 ? path : DEFAULT_PATH) };
}
