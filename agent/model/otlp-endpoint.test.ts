import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOtlpEndpoint } from "./otlp-endpoint.ts";

test("an address says the protocol, HTTP's path is the usual one unless it says another", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["http://otel:4318", "http", "http://otel:4318/v1/traces"],
    ["https://otel.example/", "http", "https://otel.example/v1/traces"],
    ["http://[fd00::1]:4318/otlp/v1/traces", "http", "http://[fd00::1]:4318/otlp/v1/traces"],
    ["grpc://10.0.0.1:4317", "grpc", "http://10.0.0.1:4317"],
    ["grpcs://otel:4317/", "grpc", "https://otel:4317"],
  ];
  for (const [text, protocol, url] of cases)
    assert.deepEqual(parseOtlpEndpoint(text), { protocol, url });
});

test("what is none is refused: no host, a user, a query, a path of gRPC, another scheme", () => {
  const wrong = [
    ...["", "otel:4317", "http://", "http:///v1", "ftp://otel:1", "grpc://otel:4317/path"],
    ...["http://me:secret@otel:4318", "http://otel:4318?x=1", "http://otel:4318/#x"],
    ...["http://otel:99999", "http://o tel:1", " http://otel:4318"],
  ];
  for (const text of wrong) assert.equal(parseOtlpEndpoint(text), undefined, text);
});
