import assert from "node:assert/strict";
import { test } from "node:test";
import { BODY, type Body, PROBLEM } from "./codes.ts";
import { Framer } from "./framer.ts";
import { ascii } from "./octets.ts";

function framer(kind: Body, length = 0): Framer {
  const made = new Framer("request");
  made.reset(kind, length);
  return made;
}

test("bodiless kinds are done at once and take nothing", () => {
  for (const kind of [BODY.none, BODY.interim]) {
    const made = framer(kind);
    assert.equal(made.done, true);
    assert.equal(made.eat(ascii("next"), 1, 4), 1);
  }
});

test("a length body ends at its byte and leaves the next message alone", () => {
  const made = framer(BODY.length, 5);
  assert.equal(made.eat(ascii("helXX"), 0, 3), 3);
  assert.equal(made.done, false);
  assert.equal(made.eat(ascii("..loGET"), 2, 7), 4);
  assert.equal(made.done, true);
  assert.equal(made.eat(ascii("..loGET"), 4, 7), 4);
});

test("a body over 4 GiB is counted exactly", () => {
  const made = framer(BODY.length, 2 ** 32 + 3);
  const bytes = { length: 2 ** 32 } as unknown as Uint8Array;
  assert.equal(made.eat(bytes, 0, 2 ** 32), 2 ** 32);
  assert.equal(made.eat(ascii("abcd"), 0, 4), 3);
  assert.equal(made.done, true);
});

test("a body until the connection's end, and a tunnel, never end by themselves", () => {
  for (const kind of [BODY.untilClose, BODY.tunnel]) {
    const made = framer(kind);
    assert.equal(made.eat(ascii("abc"), 0, 3), 3);
    assert.equal(made.done, false);
  }
});

test("a chunked body ends behind its trailers, byte by byte too", () => {
  const text = "5;a=b\r\nhello\r\n00\r\nX: y\r\n\r\n";
  const bytes = ascii(`${text}GET /`);
  assert.equal(framer(BODY.chunked).eat(bytes, 0, bytes.length), text.length);
  const made = framer(BODY.chunked);
  let at = 0;
  while (!made.done) at = made.eat(bytes, at, at + 1);
  assert.equal(at, text.length);
});

test("the largest chunk size is exact and one digit more is refused", () => {
  const largest = ascii("fffffffffffff\r\n");
  const made = framer(BODY.chunked);
  assert.equal(made.eat(largest, 0, largest.length), largest.length);
  const over = ascii("10000000000000\r\n");
  assert.equal(framer(BODY.chunked).eat(over, 0, over.length), PROBLEM.chunkSize);
});

test("extensions and trailers are bounded at exactly their limits", () => {
  const extension = (n: number): Uint8Array => ascii(`1;${"e".repeat(n)}\r\nx\r\n0\r\n\r\n`);
  assert.equal(framer(BODY.chunked).eat(extension(4_096), 0, 4_108), 4_108);
  assert.equal(framer(BODY.chunked).eat(extension(4_097), 0, 4_109), PROBLEM.chunkExtension);
  const trailer = (n: number): Uint8Array => ascii(`0\r\nX:${"t".repeat(n)}\r\n\r\n`);
  // 8,192 with name, colon and line ends: 2 + 2 + 2 + n.
  assert.equal(framer(BODY.chunked).eat(trailer(8_186), 0, 8_195), 8_195);
  assert.equal(framer(BODY.chunked).eat(trailer(8_187), 0, 8_196), PROBLEM.trailerTooLarge);
});

test("extensions may be as long as the data, and 16 KiB longer", () => {
  const run = (chunks: number, data: number): { at: number; length: number } => {
    const text = `${data.toString(16)};${"e".repeat(99)}\r\n${"d".repeat(data)}\r\n`.repeat(chunks);
    const bytes = ascii(`${text}0\r\n\r\n`);
    return { at: framer(BODY.chunked).eat(bytes, 0, bytes.length), length: bytes.length };
  };
  // Each extension is forgiven by its own data first: 98 bytes of 99.
  const signed = run(5_000, 98);
  assert.equal(signed.at, signed.length);
  assert.equal(run(1_000, 1).at, PROBLEM.chunkExtension);
});

test("a trailer that would change what it answers is refused, in requests also one that would change the content", () => {
  const trailer = (name: string): Uint8Array => ascii(`0\r\n${name}: x\r\n\r\n`);
  const eaten = (of: "request" | "response", name: string): number => {
    const made = new Framer(of);
    made.reset(BODY.chunked, 0);
    return made.eat(trailer(name), 0, trailer(name).length);
  };
  for (const name of ["Content-Length", "transfer-encoding", "Host", "Connection", "Trailer", "TE"])
    for (const kind of ["request", "response"] as const)
      assert.equal(eaten(kind, name), PROBLEM.trailer, `${kind} ${name}`);
  for (const name of ["Content-Type", "set-cookie", "Authorization", "Cookie"]) {
    assert.equal(eaten("request", name), PROBLEM.trailer, name);
    assert.equal(eaten("response", name), trailer(name).length, name);
  }
});

test("a framer is reusable after a body that was refused", () => {
  const made = framer(BODY.chunked);
  assert.equal(made.eat(ascii("x"), 0, 1), PROBLEM.chunkSize);
  made.reset(BODY.chunked, 0);
  assert.equal(made.eat(ascii("0\r\n\r\n"), 0, 5), 5);
  assert.equal(made.done, true);
});
