import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BODY } from "../../../agent/http/h1/codes.ts";
import { Framer } from "../../../agent/http/h1/framer.ts";
import { Head } from "../../../agent/http/h1/head.ts";
import { parseRequest } from "../../../agent/http/h1/parse-head.ts";
import { chunkedBody, dice, mutate, requests, responses } from "./generate.ts";
import { type Reading, readStream, type SeenStream } from "./read-stream.ts";

const RUNS = 3_000;

/** Cuts bytes at the given places (taken modulo their length). */
function cut(bytes: Buffer, places: readonly number[]): Uint8Array[] {
  const at = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...at].map((start, i) => bytes.subarray(start, at[i] ?? bytes.length));
}

/** What must not depend on the split: how much of a broken body was walked over may. */
function verdict({ messages, ending, consumed }: SeenStream): unknown {
  const broken = ending !== "end" && ending !== "incomplete" && ending !== "tunnel";
  if (!broken) return { ending, messages, consumed };
  return { ending, messages: messages.map((message) => ({ ...message, raw: "" })) };
}

const seeds = fc.nat();
const places = fc.array(fc.nat(), { maxLength: 12 });

for (const kind of ["request", "response"] as const) {
  const reading: Reading = { kind };
  const make = kind === "request" ? requests : responses;

  test(`any split of valid ${kind}s gives the same messages, all accepted`, () => {
    fc.assert(
      fc.property(seeds, places, (seed, cuts) => {
        const bytes = Buffer.from(make(dice(seed)), "latin1");
        const whole = readStream(reading, [bytes]);
        assert.equal(whole.ending, "end", bytes.toString("latin1"));
        assert.deepEqual(readStream(reading, cut(bytes, cuts)), whole);
      }),
      { numRuns: RUNS },
    );
  });

  test(`any split of mutated ${kind}s gives the same verdict`, () => {
    fc.assert(
      fc.property(seeds, places, (seed, cuts) => {
        const roll = dice(seed);
        // The end completes every line: a mistake may be told only when its line has arrived.
        const bytes = Buffer.from(`${mutate(roll, make(roll))}\r\n\r\n`, "latin1");
        const whole = verdict(readStream(reading, [bytes]));
        assert.deepEqual(verdict(readStream(reading, cut(bytes, cuts))), whole);
        const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
        assert.deepEqual(verdict(readStream(reading, single)), whole);
      }),
      { numRuns: RUNS },
    );
  });
}

test("a head sent byte by byte costs linear work", () => {
  const field = `X-Long: ${"v".repeat(60_000)}\r\n`;
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\n${field}\r\n`);
  let reads = 0;
  const counted = new Proxy(bytes, {
    get(target, key): unknown {
      reads++;
      return Reflect.get(target, key, target);
    },
  });
  const head = new Head();
  let at = 0;
  for (let end = 1; end <= bytes.length && at === 0; end++) {
    head.feed(counted, 0, end);
    at = parseRequest(head);
  }
  assert.equal(at, bytes.length);
  assert.ok(reads < bytes.length * 12, `${reads} reads for ${bytes.length} bytes`);
});

test("the framer agrees with a reference on valid and mutated chunked bodies", () => {
  let finished = 0;
  for (let seed = 0; seed < 20_000; seed++) {
    const roll = dice(seed);
    const text = seed % 2 === 0 ? `${chunkedBody(roll)}GET /` : mutate(roll, chunkedBody(roll));
    const framer = new Framer("request");
    framer.reset(BODY.chunked, 0);
    const bytes = Buffer.from(text, "latin1");
    const at = framer.eat(bytes, 0, bytes.length);
    const expected = referenceEnd(text);
    assert.equal(framer.done && at >= 0 ? at : -1, expected, JSON.stringify(text));
    if (expected >= 0) finished++;
  }
  assert.ok(finished > 10_000, `only ${finished} bodies were complete`);
});

const SIZE_LINE = /([0-9a-fA-F]{1,13})(?:;[\t\x20-\x7e]{0,4096})?\r\n/y;
const BREAKS = [0, 10, 11, 12, 13, 28, 29, 30].map((code) => String.fromCharCode(code)).join("");
const TRAILER = new RegExp(`([!#$%&'*+\\-.^_\`|~0-9A-Za-z]+):[^${BREAKS}]*\r\n`, "y");
const NO_TRAILER =
  /^(?:content-(?:length|encoding|type|range)|transfer-encoding|host|connection|trailer|te|upgrade|authorization|(?:set-)?cookie)$/i;

/** Where a chunked body ends, by regular expressions over the whole; -1 when it is wrong or unfinished. */
function referenceEnd(text: string): number {
  let at = 0;
  for (;;) {
    SIZE_LINE.lastIndex = at;
    const [line, digits = ""] = SIZE_LINE.exec(text) ?? [];
    if (line === undefined) return -1;
    const size = Number.parseInt(digits, 16);
    at += line.length;
    if (size === 0) return referenceTrailers(text, at);
    if (text.slice(at + size, at + size + 2) !== "\r\n") return -1;
    at += size + 2;
  }
}

function referenceTrailers(text: string, from: number): number {
  let at = from;
  for (;;) {
    if (text.startsWith("\r\n", at)) return at + 2;
    TRAILER.lastIndex = at;
    const [line, name = ""] = TRAILER.exec(text) ?? [];
    if (line === undefined || NO_TRAILER.test(name)) return -1;
    at += line.length;
  }
}
