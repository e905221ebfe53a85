import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Head } from "./head.ts";
import { textOf } from "./lookup.ts";
import { ascii } from "./octets.ts";
import { parseRequest, parseResponse } from "./parse-head.ts";
import {
  connectionOption,
  headRoom,
  isVerbatim,
  NO_LINES,
  type Rewrite,
  writeHead,
} from "./write-head.ts";

const PLAIN: Rewrite = { connection: "none", keepUpgrade: false, extra: NO_LINES };

function rewritten(
  text: string,
  rewrite: Partial<Rewrite> = {},
  kind: "request" | "response" = "request",
): string {
  const head = new Head();
  const bytes = ascii(text);
  head.feed(bytes, 0, bytes.length);
  const at = kind === "request" ? parseRequest(head) : parseResponse(head);
  assert.ok(at > 0, `refused with ${at}: ${text}`);
  const all = { ...PLAIN, ...rewrite };
  const into = new Uint8Array(headRoom(head, all));
  const length = writeHead(head, all, into);
  assert.ok(length > 0);
  return textOf(into, 0, length);
}

test("a head without hop-by-hop fields crosses byte for byte", () => {
  const text = "GET /a?b HTTP/1.1\r\nhOST:x\r\nX-Odd:  v \t\r\nVia: old\r\n\r\n";
  assert.equal(rewritten(text), text);
  assert.equal(rewritten(`${text}body`), text);
});

test("hop-by-hop fields and what Connection lists are dropped, the rest keeps its order", () => {
  const text = [
    "GET / HTTP/1.1",
    "X-Secret: 1",
    "Host: x",
    "Keep-Alive: timeout=5",
    "A: 1",
    "Connection: x-secret, keep-alive",
    "Proxy-Connection: keep-alive",
    "B: 2",
    "connection: X-LATER",
    "TE: gzip",
    "x-later: 1",
    "",
    "",
  ].join("\r\n");
  assert.equal(rewritten(text), "GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: 2\r\n\r\n");
});

test("an upgrade crosses with its Connection option, and goes when it is not kept", () => {
  const text =
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nA: b\r\n\r\n";
  assert.equal(
    rewritten(text, { keepUpgrade: true }),
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nA: b\r\nConnection: Upgrade\r\n\r\n",
  );
  assert.equal(rewritten(text), "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n");
});

test("an h2c upgrade leaves nothing behind", () => {
  const text =
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
  assert.equal(rewritten(text), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
});

test("of TE only trailers crosses, announced in Connection", () => {
  const text = "GET / HTTP/1.1\r\nHost: x\r\nTE: deflate, trailers\r\nConnection: TE\r\n\r\n";
  assert.equal(
    rewritten(text),
    "GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
  );
});

test("Host is replaced in its place when an absolute-form target names another", () => {
  assert.equal(
    rewritten("GET http://y:8/ HTTP/1.1\r\nA: 1\r\nHost: x\r\nB: 2\r\n\r\n"),
    "GET http://y:8/ HTTP/1.1\r\nA: 1\r\nHost: y:8\r\nB: 2\r\n\r\n",
  );
});

test("an absolute-form request of HTTP/1.0 without Host gets none", () => {
  const text = "GET http://y/ HTTP/1.0\r\nA: 1\r\n\r\n";
  assert.equal(rewritten(text), text);
});

test("extra lines and the connection option come last", () => {
  const text = "HTTP/1.1 200 OK\r\nA: 1\r\nConnection: keep-alive\r\n\r\n";
  const extra = ascii("X-New: 1\r\n");
  assert.equal(
    rewritten(text, { extra, connection: "close" }, "response"),
    "HTTP/1.1 200 OK\r\nA: 1\r\nConnection: close\r\nX-New: 1\r\n\r\n",
  );
});

test("the connection option says what is not the version's default", () => {
  assert.equal(connectionOption(1, true), "none");
  assert.equal(connectionOption(1, false), "close");
  assert.equal(connectionOption(0, true), "keep-alive");
  assert.equal(connectionOption(0, false), "close");
});

test("a head is verbatim just when writing changes nothing", () => {
  const plain = "GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\n\r\n";
  const cases: readonly (readonly [string, Rewrite, boolean])[] = [
    [plain, PLAIN, true],
    [plain, { ...PLAIN, connection: "close" }, false],
    [plain, { ...PLAIN, keepUpgrade: true }, false],
    [plain, { ...PLAIN, extra: ascii("B: 2\r\n") }, false],
    ["GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", PLAIN, false],
    ["GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n", PLAIN, false],
    ["GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n", PLAIN, false],
  ];
  for (const [text, how, expected] of cases) {
    const head = new Head();
    const bytes = ascii(text);
    head.feed(bytes, 0, bytes.length);
    assert.ok(parseRequest(head) > 0);
    assert.equal(isVerbatim(head, how), expected, text);
    if (expected) assert.equal(rewritten(text, how), text);
  }
});

test("a target that is too small is left alone", () => {
  const head = new Head();
  const bytes = ascii("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  head.feed(bytes, 0, bytes.length);
  assert.ok(parseRequest(head) > 0);
  const into = new Uint8Array(headRoom(head, PLAIN) - 1);
  assert.equal(writeHead(head, PLAIN, into), -1);
  assert.ok(into.every((byte) => byte === 0));
});

const line = fc.constantFrom(
  "A: 1",
  "Keep-Alive: 5",
  "Connection: close",
  "Connection: a, keep-alive",
  "Connection: upgrade",
  "Upgrade: websocket",
  "Upgrade: h2c",
  "TE: trailers",
  "TE: x",
  "Proxy-Connection: close",
  "Content-Length: 5",
  "X-Long: ".concat("l".repeat(100)),
);

test("whatever is rewritten is accepted again, keeps its framing and cannot be rewritten further", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(line),
      fc.boolean(),
      fc.boolean(),
      (lines, keepUpgrade, absolute) => {
        const target = absolute ? "http://other/p" : "/p";
        const text = `GET ${target} HTTP/1.1\r\n${["Host: x", ...lines].join("\r\n")}\r\n\r\n`;
        const once = rewritten(text, { keepUpgrade });
        assert.equal(/\ncontent-length: 5\r/i.test(once), lines.includes("Content-Length: 5"));
        assert.doesNotMatch(once, /\n(?:keep-alive|proxy-connection):|close/i);
        if (!keepUpgrade) assert.doesNotMatch(once, /upgrade|h2c/i);
        const again = rewritten(once, { keepUpgrade });
        assert.deepEqual(again.split("\r\n").sort(), once.split("\r\n").sort());
      },
    ),
    { numRuns: 2_000 },
  );
});
