import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LineCutter, LineTooLong } from "./json-lines.ts";

test("lines come out whole however the bytes are cut", () => {
  const lines = fc.array(fc.string({ minLength: 1, unit: "binary" }).map((s) => JSON.stringify(s)));
  fc.assert(
    fc.property(lines, fc.infiniteStream(fc.integer({ min: 1, max: 9 })), (texts, cuts) => {
      const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(""));
      const cutter = new LineCutter(1 << 16);
      const out: string[] = [];
      for (let at = 0; at < bytes.length; ) {
        const size: number = cuts.next().value ?? 1;
        // A copy that is spoilt afterwards, as a socket's buffer may be.
        const chunk = Buffer.from(bytes.subarray(at, at + size));
        out.push(...cutter.cut(chunk));
        chunk.fill(0);
        at += size;
      }
      assert.deepEqual(out, texts);
      assert.equal(cutter.unfinished, false);
    }),
  );
});

test("a line over the bound is refused before it is held, also without its end", () => {
  const whole = new LineCutter(4);
  assert.deepEqual(whole.cut(Buffer.from("1234\n")), ["1234"]);
  assert.throws(() => whole.cut(Buffer.from("12345\n")), LineTooLong);
  const endless = new LineCutter(4);
  endless.cut(Buffer.from("123"));
  assert.equal(endless.unfinished, true);
  assert.throws(() => endless.cut(Buffer.from("45")), LineTooLong);
});

test("empty lines are nothing", () => {
  assert.deepEqual(new LineCutter(9).cut(Buffer.from("\n\n1\n\n")), ["1"]);
});
