import assert from "node:assert/strict";
import { test } from "node:test";
import { PROBLEM } from "./codes.ts";
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

const PLAIN: Rewrite = { connection: "none", extra: NO_LINES };

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

test("an ordinary head crosses byte for byte", () => {
  const text = "GET /a?b HTTP/1.1\r\nhOST:x\r\nX-Odd:  v \t\r\nVia: old\r\n\r\n";
  assert.equal(rewritten(text), text);
  assert.equal(rewritten(`${text}body`), text);
});

/** What the two heads have in common around the lines under test. */
function lines(...fields: readonly string[]): string {
  return ["GET / HTTP/1.1", "Host: x", ...fields, "", ""].join("\r\n");
}

function answer(...fields: readonly string[]): string {
  return ["HTTP/1.1 200 OK", ...fields, "", ""].join("\r\n");
}

test("what Connection lists crosses with it: no application asked the mesh to take it away", () => {
  const text = lines(
    "X-Real-IP: 192.0.2.7",
    "Keep-Alive: timeout=5",
    "Connection: keep-alive, X-Real-IP",
    "Proxy-Connection: keep-alive",
    "connection: X-Later",
  );
  assert.equal(rewritten(text), text);
});

test("a word about this connection is replaced by one about the next, the rest of the list stays", () => {
  assert.equal(
    rewritten(
      lines("Connection: X-A,close", "A: 1", "connection: upgrade, TE ,, x-b", "TE: trailers"),
    ),
    lines("A: 1", "TE: trailers", "Connection: X-A, x-b, upgrade, te"),
  );
  assert.equal(rewritten(lines("Connection: close", "A: 1")), lines("A: 1"));
  assert.equal(
    rewritten(lines("Connection: keep-alive"), { connection: "close" }),
    lines("Connection: close"),
  );
  assert.equal(
    rewritten(lines("Connection: close"), { connection: "close" }),
    lines("Connection: close"),
  );
});

test("32 names in Connection fit the room that is asked for, however short", () => {
  const names = Array.from({ length: 32 }, (_, i) => String.fromCharCode(97 + (i % 26)));
  const text = lines(`Connection:close,${names.join(",")}`);
  assert.equal(rewritten(text), lines(`Connection: ${names.join(", ")}`));
});

test("a head needs less than 1 KiB more than it has, whatever is written anew", () => {
  const longest = `http://${"a".repeat(512)}/`;
  const text = `GET ${longest} HTTP/1.1\r\nHost:x\r\n${"TE:x,trailers\r\n".repeat(200)}Content-Length:05\r\nConnection:close,a\r\n\r\n`;
  const written = rewritten(text, { connection: "close" });
  assert.ok(written.length > 0);
  const head = new Head();
  head.feed(ascii(text), 0, text.length);
  assert.ok(parseRequest(head) > 0);
  assert.ok(headRoom(head, PLAIN) < text.length + 1_024);
  const over = ascii(text.replace("http://a", "http://aa"));
  head.feed(over, 0, over.length);
  assert.equal(parseRequest(head), PROBLEM.target);
});

test("an upgrade crosses, listed in Connection or not", () => {
  for (const fields of [
    ["Connection: keep-alive, Upgrade", "Upgrade: websocket"],
    ["Upgrade: websocket"],
  ])
    assert.equal(rewritten(lines(...fields)), lines(...fields));
});

test("an h2c upgrade leaves nothing behind", () => {
  const h2c = [
    "Upgrade: h2c",
    "Connection: Upgrade, HTTP2-Settings, X",
    "HTTP2-Settings: AAMAAABk",
  ];
  assert.equal(rewritten(lines(...h2c)), lines("Connection: X"));
  const offered = answer("Upgrade: h2,h2c", "Connection: Upgrade", "Content-Length: 0");
  assert.equal(rewritten(offered, {}, "response"), offered);
});

test("of TE only trailers crosses", () => {
  assert.equal(
    rewritten(lines("TE: deflate, trailers;q=0.5, trailers", "Connection: TE")),
    lines("TE: trailers", "Connection: TE"),
  );
  assert.equal(rewritten(lines("TE: deflate", "Connection: TE")), lines());
  for (const fields of [["TE: Trailers"], ["te:trailers", "Connection: te"]])
    assert.equal(rewritten(lines(...fields)), lines(...fields));
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

test("a length is forwarded once, as plain decimal", () => {
  for (const odd of [
    ["Content-Length: 0005"],
    ["Content-Length: 5", "Content-Length: 5"],
    ["Content-Length: 5, 05 ,5"],
    ["Content-Length: 00000000000000000000005  "],
    ["Content-Length:5 "],
  ])
    assert.equal(
      rewritten(lines("A: 1", ...odd, "B: 2")),
      lines("A: 1", "Content-Length: 5", "B: 2"),
    );
  assert.equal(rewritten(lines("content-length: 000")), lines("content-length: 0"));
  assert.equal(
    rewritten(lines("Content-Length: 0999999999999999")),
    lines("Content-Length: 999999999999999"),
  );
  for (const plain of ["Content-Length:5", "Content-Length: 0", "content-length: 120"])
    assert.equal(rewritten(lines(plain)), lines(plain));
});

test("chunked is written as everybody understands it", () => {
  for (const odd of ["Chunked", "CHUNKED", "chunked ", "  chunked"])
    assert.equal(
      rewritten(lines(`Transfer-Encoding: ${odd}`, "A: 1")),
      lines("Transfer-Encoding: chunked", "A: 1"),
    );
});

test("an answer that has chunked twice, or both lengths, keeps the one that counts", () => {
  for (const fields of [
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked, chunked"],
    ["Transfer-Encoding: Chunked, chunked", "transfer-encoding: chunked"],
    ["Content-Length: 7", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 7", "Content-Length: 07"],
  ])
    assert.equal(
      rewritten(answer("A: 1", ...fields, "B: 2"), {}, "response"),
      answer("A: 1", "Transfer-Encoding: chunked", "B: 2"),
    );
});

test("a status without a body loses what announces one, but 204 and 304 keep their length", () => {
  const cases = [
    ["100 Continue", ["Content-Length: 5"], []],
    ["103 Early Hints", ["Transfer-Encoding: chunked", "Link: x"], ["Link: x"]],
    ["204 No Content", ["Transfer-Encoding: chunked"], []],
    ["204 No Content", ["Content-Length: 5"], ["Content-Length: 5"]],
    ["304 Not Modified", ["Content-Length: 5"], ["Content-Length: 5"]],
  ] as const;
  for (const [status, fields, kept] of cases)
    assert.equal(
      rewritten(`HTTP/1.1 ${status}\r\n${[...fields, "", ""].join("\r\n")}`, {}, "response"),
      `HTTP/1.1 ${status}\r\n${[...kept, "", ""].join("\r\n")}`,
    );
});

test("a folded value is joined by one space for each fold", () => {
  assert.equal(
    rewritten("GET / HTTP/1.1\r\nHost: x\r\nX-A: one \t\r\n \t two\r\n\tthree \r\nB: 2\r\n\r\n"),
    lines("X-A: one two three", "B: 2"),
  );
  assert.equal(rewritten("GET / HTTP/1.1\r\nHost: x\r\nX-A:\r\n one\r\n\r\n"), lines("X-A: one"));
  const other = { connection: "close" } as const;
  assert.equal(
    rewritten("GET / HTTP/1.1\r\nX-A: 1\r\n 2\r\nHost: x\r\n\r\n", other),
    "GET / HTTP/1.1\r\nX-A: 1 2\r\nHost: x\r\nConnection: close\r\n\r\n",
  );
});

test("extra lines and the connection option come last", () => {
  const extra = ascii("X-New: 1\r\n");
  assert.equal(
    rewritten(answer("A: 1", "Connection: keep-alive"), { extra, connection: "close" }, "response"),
    answer("A: 1", "Connection: close", "X-New: 1"),
  );
});

test("the connection option says what receiver and version don't take for granted", () => {
  assert.equal(connectionOption(1, 1, true), "none");
  assert.equal(connectionOption(1, 1, false), "close");
  assert.equal(connectionOption(0, 0, true), "keep-alive");
  assert.equal(connectionOption(0, 0, false), "none");
  assert.equal(connectionOption(0, 1, true), "keep-alive");
  assert.equal(connectionOption(0, 1, false), "close");
  assert.equal(connectionOption(1, 0, true), "keep-alive");
  assert.equal(connectionOption(1, 0, false), "none");
});

test("in HTTP/1.0 silence means close", () => {
  const old = (...fields: readonly string[]): string =>
    ["GET / HTTP/1.0", ...fields, "", ""].join("\r\n");
  assert.equal(rewritten(old()), old());
  assert.equal(rewritten(old("Connection: close")), old("Connection: close"));
  assert.equal(rewritten(old("Connection: keep-alive")), old());
  const kept = { connection: "keep-alive" } as const;
  assert.equal(rewritten(old("Connection: Keep-Alive"), kept), old("Connection: Keep-Alive"));
  assert.equal(rewritten(old(), kept), old("Connection: keep-alive"));
});

test("a head is verbatim just when writing changes nothing", () => {
  const plain = lines("A: 1");
  const cases: readonly (readonly [string, Rewrite, boolean])[] = [
    [plain, PLAIN, true],
    [plain, { ...PLAIN, connection: "close" }, false],
    [plain, { ...PLAIN, extra: ascii("B: 2\r\n") }, false],
    [lines("Connection: keep-alive"), PLAIN, true],
    [lines("Connection: close"), PLAIN, false],
    [lines("Connection: close"), { ...PLAIN, connection: "close" }, true],
    [lines("TE: trailers", "Connection: TE"), PLAIN, true],
    [lines("Content-Length: 05"), PLAIN, false],
    [lines("Transfer-Encoding: Chunked"), PLAIN, false],
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
