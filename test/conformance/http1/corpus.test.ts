import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Asked } from "../../../agent/http/h1/body-kind.ts";
import { METHOD } from "../../../agent/http/h1/codes.ts";
import { readStream, summary } from "./read-stream.ts";

/** Bytes are written one character a byte; `expect` is the summary() of what the codec must understand. */
interface Case {
  readonly name: string;
  readonly bytes: string;
  readonly expect: string;
  readonly asked?: keyof typeof ASKED;
}

const ASKED = {
  get: { method: METHOD.get, upgrade: false },
  head: { method: METHOD.head, upgrade: false },
  connect: { method: METHOD.connect, upgrade: false },
  upgrade: { method: METHOD.get, upgrade: true },
} as const satisfies Record<string, Asked>;

const FILES = ["framing", "start-line", "fields", "chunked", "responses"] as const;

/** The corpus once had this many; fewer means that a file was lost. */
const LEAST_CASES = 398;

function load(file: string): readonly Case[] {
  return JSON.parse(readFileSync(new URL(`corpus/${file}.json`, import.meta.url), "utf8"));
}

function bytewise(bytes: Buffer): Uint8Array[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte));
}

for (const file of FILES) {
  test(`the codec gives every verdict of the corpus ${file}, whole and byte by byte`, () => {
    for (const { name, bytes, expect, asked = "get" } of load(file)) {
      const reading = {
        kind: file === "responses" ? ("response" as const) : ("request" as const),
        asked: ASKED[asked],
      };
      const buffer = Buffer.from(bytes, "latin1");
      assert.equal(summary(readStream(reading, [buffer])), expect, `${file}: ${name}`);
      const split = readStream(reading, bytewise(buffer));
      // Bytes of a body that turns out broken are walked over before the mistake arrives.
      const seen = expect.includes("| !")
        ? summary(split).replace(/ \+\d+ \| !/, " | !")
        : summary(split);
      assert.equal(seen, expect, `${file}: ${name}, byte by byte`);
    }
  });
}

test("the corpus is whole and its names are unique", () => {
  const names = FILES.flatMap((file) => load(file).map(({ name }) => `${file}: ${name}`));
  assert.ok(names.length >= LEAST_CASES, `only ${names.length} cases`);
  assert.equal(new Set(names).size, names.length);
});
