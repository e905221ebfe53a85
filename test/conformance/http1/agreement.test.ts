import assert from "node:assert/strict";
import { test } from "node:test";
import { requestBody, responseBody } from "../../../agent/http/h1/body-kind.ts";
import { BODY, METHOD } from "../../../agent/http/h1/codes.ts";
import type { Head } from "../../../agent/http/h1/head.ts";
import { textOf } from "../../../agent/http/h1/lookup.ts";
import { type Forwarded, forward } from "./forward.ts";
import { type Dice, dice, mutate, pick } from "./generate.ts";
import { allHabits, type Reading, readLeniently } from "./lenient-readers.ts";

/** Heads per kind. Another range of seeds is another fuzz. */
const HEADS = 1_200;
const HABITS = allHabits();

const START_LINES = {
  request: [
    "GET / HTTP/1.1",
    "POST /a HTTP/1.1",
    "POST / HTTP/1.0",
    "PUT /caf\xc3\xa9#x HTTP/1.2",
    "POST index http/1.1",
    "GET http://other/x HTTP/1.1",
    "GET /a HTTP/1.0 HTTP/1.1",
  ],
  response: [
    "HTTP/1.1 200 OK",
    "HTTP/1.1 204 No Content",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 103 Early Hints",
    "HTTP/1.0 200 OK",
    "http/1.1 404",
  ],
} as const;

/** Most are odd in one way that some reader cares about. */
const LINES = [
  "Content-Length: 5",
  "Content-Length: 010",
  "content-length: 5, 5",
  "Content-Length: 5, 6",
  "Content-Length:  05 ",
  "Content-Length: +5",
  "Content-Length: 5\r\n 6",
  "Content-Length[: 6",
  '"Content-Length": 7',
  "Content_Length: 8",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: Chunked",
  "Transfer-Encoding: chunked, chunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding:\x0bchunked",
  "Transfer-Encoding : chunked",
  "X-A: one\r\n two",
  "X-A: one\r\n Content-Length: 9",
  "X-A: one\r\n \t",
  "X-A: a\x1cContent-Length: 9",
  "X-A: a\x01b\xff",
  "X-A: a\nTransfer-Encoding: chunked",
  "X-User[id]: 1",
  "Host: y",
  "Connection: close, x-a",
  "Connection: content-length",
  "Connection: keep-alive",
  "Upgrade: h2c",
  "TE: gzip",
  "A: b",
] as const;

type Kind = keyof typeof START_LINES;

function oddHead(kind: Kind, roll: Dice): string {
  const lines: string[] = kind === "request" && roll(8) > 0 ? ["Host: x"] : [];
  for (let n = roll(5); n > 0; n--) lines.splice(roll(lines.length + 1), 0, pick(roll, LINES));
  const text = [pick(roll, START_LINES[kind]), ...lines, "", ""].join("\r\n");
  return roll(3) === 0 ? `${mutate(roll, text)}\r\n\r\n` : text;
}

/** What the codec makes of the head, in a reader's words. */
function meaning(kind: Kind, { head }: Forwarded): Reading {
  const asked = { method: METHOD.get, upgrade: head.status === 101 };
  const body = kind === "request" ? requestBody(head) : responseBody(head, asked);
  const host = head.hostReplaced
    ? textOf(head.bytes, head.authorityStart, head.authorityEnd)
    : textOf(head.bytes, head.hostStart, head.hostEnd);
  return { framing: framing(body, head), host, minor: String(head.minor) };
}

function framing(body: number, { contentLength, status }: Head): string {
  if (body === BODY.chunked) return "chunked";
  if (body === BODY.length) return String(contentLength);
  if (body === BODY.untilClose) return "close";
  const bodiless = status !== 0 && (status < 200 || status === 204 || status === 304);
  return contentLength === 0 && !bodiless ? "0" : "none";
}

function forwarded(kind: Kind, text: string): Forwarded | undefined {
  try {
    return forward(kind, Buffer.from(text, "latin1"));
  } catch {
    return undefined;
  }
}

/** The readers that see something else than the codec. A minor version over 1 is 1. */
function dissenters(text: string, expected: Reading, status: number): readonly string[] {
  const all: string[] = [];
  for (const habits of HABITS) {
    const seen = readLeniently(text, habits, status);
    const minor = /[2-9]/.test(seen.minor) ? "1" : seen.minor;
    if (
      seen.framing !== expected.framing ||
      seen.host !== expected.host ||
      minor !== expected.minor
    )
      all.push(`${JSON.stringify(habits)} ${habits.line}: ${JSON.stringify(seen)}`);
  }
  return all;
}

for (const kind of ["request", "response"] as const) {
  test(`of a forwarded ${kind}, no two readers see another framing, host or version`, () => {
    let agreed = 0;
    let disputed = 0;
    for (let seed = 1; seed <= HEADS; seed++) {
      const text = oddHead(kind, dice(seed));
      const passed = forwarded(kind, text);
      if (passed === undefined) {
        // The readers do quarrel about what is refused, or the test has lost its teeth.
        const readings = HABITS.map((habits) =>
          JSON.stringify(readLeniently(text, habits, kind === "request" ? 0 : 200)),
        );
        if (new Set(readings).size > 1) disputed++;
        continue;
      }
      agreed++;
      const { status } = passed.head;
      const others = dissenters(passed.written, meaning(kind, passed), status);
      assert.deepEqual(
        others.slice(0, 3),
        [],
        `seed ${seed}: ${JSON.stringify(text)} became ${JSON.stringify(passed.written)}`,
      );
    }
    assert.ok(agreed > HEADS / 8, `only ${agreed} were forwarded`);
    assert.ok(disputed > HEADS / 8, `only ${disputed} of the refused ones are disputed`);
  });

  test(`a forwarded ${kind} is forwarded again as it is, and has lost nothing but what the mesh decides`, () => {
    let changed = 0;
    for (let seed = 1; seed <= HEADS; seed++) {
      const passed = forwarded(kind, oddHead(kind, dice(seed)));
      if (passed === undefined) continue;
      const again = forward(kind, Buffer.from(passed.written, "latin1"));
      assert.equal(again.written, passed.written);
      assert.equal(again.verbatim, true, passed.written);
      assert.deepEqual(meaning(kind, again), meaning(kind, passed));
      assert.deepEqual(others(again.head), others(passed.head));
      if (!passed.verbatim) changed++;
    }
    assert.ok(changed > HEADS / 20, `only ${changed} were changed`);
  });
}

const DECIDED = /^(?:connection|content-length|transfer-encoding|host|te|upgrade|http2-settings)$/i;

/** All fields that the mesh has no business with, in order, each in one line. */
function others(head: Head): readonly string[] {
  const all: string[] = [];
  for (let i = 0; i < head.count; i++) {
    const [name, colon, value, end] = Array.from(head.lines.subarray(i * 4, i * 4 + 4)) as [
      number,
      number,
      number,
      number,
    ];
    const text = textOf(head.bytes, name, colon);
    if (!DECIDED.test(text))
      all.push(`${text}: ${textOf(head.bytes, value, end).replace(/[ \t]*\r\n[ \t]+/g, " ")}`);
  }
  return all;
}
