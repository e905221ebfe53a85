import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_FIRST_LINE_BYTES, type SpokenFirst, spokenOf } from "./spoken.ts";

function octets(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** What is said of the text when it arrives at once; and at each shorter beginning nothing, or the same. */
function spoken(text: string): SpokenFirst {
  const bytes = octets(text);
  const whole = spokenOf(bytes, 0, bytes.length);
  for (let end = 0; end < bytes.length; end++) {
    const early = spokenOf(bytes, 0, end);
    assert.ok(early === "undecided" || early === whole, `${end} bytes of ${text}: ${early}`);
  }
  return whole;
}

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";

const CASES: readonly (readonly [string, SpokenFirst])[] = [
  ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http"],
  ["\r\nGET / HTTP/1.1\r\n", "http"],
  ["\r\n\r\n\r\nGET / HTTP/1.0\r\n", "http"],
  // Broken requests stay requests: HTTP says what is wrong with them.
  ["GET / HTTP/1.1\n", "http"],
  ["get / http/1.1\r\n", "http"],
  [" GET / HTTP/1.1\r\n", "http"],
  ["GET  /\tHTTP/1.1 \r\n", "http"],
  ["GET /\0 HTTP/1.1\r\n", "http"],
  ["GET /a\rb HTTP/1.1\r\n", "http"],
  ["GET /\xe9 HTTP/1.1\r\n", "http"],
  ["PRI * HTTP/1.1\r\n", "http"],
  ["PRI * HTTP/2.0\r\nHost: a\r\n", "http"],
  ["PROXY / HTTP/1.1\r\n", "http"],
  [`${PREFACE}\0\0\x12\x04`, "http2-preface"],
  ["PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\n", "proxy"],
  ["PROXY TCP6 ::1 ::2 1 2\r\n", "proxy"],
  ["PROXY UNKNOWN\r\n", "proxy"],
  [`${SIGNATURE}\x21\x11\0\x0c`, "proxy"],
  ["\x16\x03\x01\x02\0\x01\0", "tls"],
  ["\x16\x03\x03\0\x10", "tls"],
  ["\x16\x03\x05", "other"],
  ["\x16\x02\x01", "other"],
  ["\x80\x2e\x01\x03\x01", "other"],
  ["*3\r\n$3\r\nSET\r\n", "other"],
  ["SET key value\r\n", "other"],
  ["EHLO example.org\r\n", "other"],
  ["GET /\r\n", "other"],
  ["\0\0\0\x08\x04\xd2\x16\x2f", "other"],
  // A length of 71 bytes, which is a G, before a message without a line's end.
  ["G\0\0\0\x01\0\0\0", "other"],
  ["\r\n\r\n\0\r\nQUIX\n", "other"],
  ["", "undecided"],
  ["\r\n\r\n", "undecided"],
  ["GET /path HTTP/1.1", "undecided"],
  ["PRI * HTTP/2.0\r\n\r\nSM", "undecided"],
  ["PROXY TCP", "undecided"],
  ["\x16\x03", "undecided"],
];

test("the first bytes say what is spoken, one by one as at once", () => {
  for (const [text, expected] of CASES) assert.equal(spoken(text), expected, JSON.stringify(text));
});

test("what comes after the first bytes and before them does not matter", () => {
  for (const [text, expected] of CASES) {
    if (expected === "undecided") continue;
    const bytes = octets(`\x16\x03\x01${text}\x16\x03\x01`);
    assert.equal(spokenOf(bytes, 3, bytes.length), expected, JSON.stringify(text));
  }
});

test("a first line without end is not waited for", () => {
  const long = (begin: string): SpokenFirst => {
    const bytes = octets(begin.padEnd(MAX_FIRST_LINE_BYTES, "a"));
    assert.equal(spokenOf(bytes, 0, bytes.length - 1), "undecided");
    return spokenOf(bytes, 0, bytes.length);
  };
  assert.equal(long("GET /"), "http");
  assert.equal(long("hello, "), "other");
  const empty = octets("\r\n".repeat(MAX_FIRST_LINE_BYTES / 2));
  assert.equal(spokenOf(empty, 0, empty.length), "other");
});

test("whatever the bytes are: once said, more of them don't change it", () => {
  const piece = fc.constantFrom(
    ...["G", "GET ", "/", "PRI * ", "HTTP/", "2.0", "1.1", "\r", "\n", "\r\n\r\n", "SM\r\n\r\n"],
    ...[
      "PROXY ",
      "TCP4 ",
      "UNKNOWN",
      "\0",
      "QUIT\n",
      "\x16\x03",
      "\x01",
      "\x7f",
      "\xff",
      "\t",
      " ",
    ],
  );
  const seen = new Set<SpokenFirst>();
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      seen.add(spoken(pieces.join("")));
    }),
    { numRuns: 3000 },
  );
  assert.ok(seen.size >= 4, [...seen].join());
});
