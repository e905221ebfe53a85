import assert from "node:assert/strict";
import { test } from "node:test";
import { compressed, decompressed } from "./compression.ts";

const WORDS = new TextEncoder().encode(JSON.stringify({ pods: Array(10_000).fill("web-1") }));
const MAX = 1 << 20;

test("a long message is a fraction of itself, and comes back", () => {
  const frame = compressed(WORDS);
  assert.ok(frame.length < WORDS.length / 20, `${frame.length} of ${WORDS.length} bytes`);
  assert.deepEqual(Buffer.from(decompressed(frame, MAX) ?? []), Buffer.from(WORDS));
});

test("a short message stays as it is, and so does what is no frame", () => {
  const short = WORDS.subarray(0, 200);
  assert.equal(compressed(short), short);
  for (const plain of [short, WORDS, new Uint8Array(0), Uint8Array.of(0x28)])
    assert.equal(decompressed(plain, MAX), plain);
});

test("a frame that holds more than allowed is refused, and so is every broken one", () => {
  const frame = compressed(WORDS);
  assert.equal(decompressed(frame, WORDS.length - 1), undefined);
  assert.ok(decompressed(frame, WORDS.length));
  for (let length = 4; length < frame.length; length++)
    assert.equal(decompressed(frame.subarray(0, length), MAX), undefined, `cut at ${length}`);
});

test("a few bytes that hold gigabytes cost the limit, not more", () => {
  const bomb = compressed(new Uint8Array(256 << 20));
  assert.ok(bomb.length < 64 * 1024, `${bomb.length} bytes`);
  const before = process.memoryUsage().arrayBuffers;
  assert.equal(decompressed(bomb, MAX), undefined);
  assert.ok(process.memoryUsage().arrayBuffers - before < 16 * MAX);
});
