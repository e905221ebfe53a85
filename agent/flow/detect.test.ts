import assert from "node:assert/strict";
import { test } from "node:test";
import { type Detected, detect, ServerFirstMemory } from "./detect.ts";

const CASES: readonly (readonly [string, Detected])[] = [
  ["GET / HTTP/1.1\r\n", "http"],
  ["GET / HTTP/1.0\r\nHost: a\r\n", "http"],
  ["M-SEARCH * HTTP/1.1\r\n", "http"],
  ["GET /", "undecided"],
  ["G", "undecided"],
  ["", "undecided"],
  ["GET / HTTP/1.1\r", "undecided"],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "opaque"],
  ["SET key value\r\n", "opaque"],
  ["PING\r\n", "opaque"],
  ["\x16\x03\x01\x02\x00", "opaque"],
  ["EHLO me\r\n", "opaque"],
  ["GET / HTTP/1.1\n", "http"],
  ["get / HTTP/1.1\r\n", "http"],
  ["POST / http/1.1\r\n", "http"],
  ["POST / HTTP/1.1 \r\n", "http"],
  ["POST / HTTP/1.12\r\n", "http"],
  ["POST  /a b\tHTTP/1.1\r\r\n", "http"],
  ["\r\nPOST / HTTP/1.1\r\n", "http"],
  ["\r\n\r\nPOST / HTTP/1.1\r\n", "http"],
  ["\n\r\r\nPOST / HTTP/1.1\r\n", "http"],
  [`GET /${"x".repeat(100_000)} HTTP/1.1\r\n`, "http"],
  ["\r\n", "undecided"],
  ["\r\nPOST /", "undecided"],
  ["\r\n\x16", "opaque"],
  ["get key\r\n", "opaque"],
  ["*1\r\n$4\r\nPING\r\n", "opaque"],
  ["HTTP/1.1\r\n", "opaque"],
  ["DESCRIBE rtsp://x/ RTSP/1.0\r\n", "opaque"],
  ["A\x00\x00", "opaque"],
  [`GET /${"x".repeat(140_000)}`, "opaque"],
  ["\r\n".repeat(70_000), "opaque"],
  [" HTTP/1.1\r\n", "opaque"],
];

for (const [text, expected] of CASES) {
  test(`the first bytes ${JSON.stringify(text.slice(0, 40))} are ${expected}`, () => {
    const bytes = Buffer.from(`xx${text}`, "latin1");
    assert.equal(detect(bytes, 2, bytes.length), expected);
  });
}

test("a server-first port is remembered for ten minutes, and only a bounded number of them", () => {
  const memory = new ServerFirstMemory();
  memory.learn("10.0.0.1:25", 1000);
  assert.equal(memory.knows("10.0.0.1:25", 1000 + 599_999), true);
  assert.equal(memory.knows("10.0.0.1:25", 1000 + 600_000), false);
  for (let i = 0; i < 5000; i++) memory.learn(`10.0.0.2:${i}`, 0);
  assert.equal(memory.knows("10.0.0.2:0", 1), false);
  assert.equal(memory.knows("10.0.0.2:4999", 1), true);
});
