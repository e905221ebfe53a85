import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type AccessEntry, AccessLog, AccessLogger, formatEntry } from "./access-log.ts";
import { createLogRing, LogRingReader, LogRingWriter } from "./log-ring.ts";

const ENTRY: AccessEntry = {
  kind: "request",
  at: 0,
  reporter: "source",
  source: "shop/user",
  sourceAddress: "10.0.0.9",
  dialled: "10.96.0.1:80",
  protocol: "http",
  method: "GET",
  path: "/",
  code: 200,
  durationMs: 1.5,
  sentBytes: 0,
  receivedBytes: 100,
};

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

describe("ring", () => {
  test("gives out whole lines in order; what was dropped is counted; nothing else is lost", () => {
    const line = fc.string({ unit: "grapheme", maxLength: 40 }).map((s) => s.replaceAll("\n", " "));
    const step = fc.oneof(line, fc.constant(undefined));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const ring = createLogRing(128);
        const [writer, reader] = [new LogRingWriter(ring), new LogRingReader(ring)];
        let [taken, kept] = ["", ""];
        let dropped = 0;
        for (const one of steps) {
          if (one === undefined) taken += decode(reader.take());
          else if (writer.offer(one)) kept += `${one}\n`;
          else dropped++;
        }
        assert.equal(taken + decode(reader.take()), kept);
        assert.equal(reader.dropped, dropped);
      }),
    );
  });

  test("positions may pass the end of 32 bits", () => {
    const ring = createLogRing(64);
    new Int32Array(ring, 0, 2).fill(0x7ffffff0);
    const [writer, reader] = [new LogRingWriter(ring), new LogRingReader(ring)];
    for (let i = 0; i < 20; i++) {
      assert.ok(writer.offer(`line ${i} with some length`));
      assert.equal(decode(reader.take()), `line ${i} with some length\n`);
    }
  });
});

describe("log", () => {
  function rig() {
    const lines: string[] = [];
    const sink = { full: false, drain: () => {} };
    const log = new AccessLog({
      write: (chunk) => {
        lines.push(...decode(chunk).trimEnd().split("\n"));
        return !sink.full;
      },
      once: (_event, listener) => {
        sink.drain = listener;
      },
    });
    const ring = createLogRing(1_024);
    log.attach(ring);
    const logger = new AccessLogger(ring);
    return { log, logger, ring, lines, sink };
  }

  test("writes one JSON object per line", () => {
    const { log, logger, lines } = rig();
    logger.log(ENTRY);
    logger.log({ ...ENTRY, path: '/a"\n', reason: "no-endpoints", code: 503 });
    log.flush();
    const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(first?.["time"], "1970-01-01T00:00:00.000Z");
    assert.equal("reason" in (first ?? {}), false);
    assert.deepEqual([second?.["path"], second?.["reason"]], ['/a"\n', "no-endpoints"]);
  });

  test("a line stays bounded whatever a client sends", () => {
    assert.ok(formatEntry({ ...ENTRY, path: `/${"x".repeat(60_000)}` }).length < 1_500);
  });

  test("a sink that is behind stops the reading, then the ring fills and lines are dropped and counted", () => {
    const { log, logger, ring, lines, sink } = rig();
    sink.full = true;
    logger.log(ENTRY);
    log.flush();
    for (let i = 0; i < 100; i++) logger.log(ENTRY);
    log.flush();
    assert.equal(lines.length, 1);
    const { dropped } = log;
    assert.ok(dropped > 90 && dropped < 100);
    sink.full = false;
    sink.drain();
    log.flush();
    assert.equal(lines.length, 101 - dropped);
    logger.log(ENTRY);
    log.detach(ring);
    assert.equal(lines.length, 102 - dropped, "what a dead worker left is written");
    assert.equal(log.dropped, dropped);
  });
});
