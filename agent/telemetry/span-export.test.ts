import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogRing } from "./log-ring.ts";
import type { SpanRecord } from "./span.ts";
import { SpanWriter } from "./span.ts";
import { SpanExport } from "./span-export.ts";

const SPAN: SpanRecord = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  kind: "client",
  name: "GET",
  startedAt: 1,
  durationMs: 2,
  of: { namespace: "shop", workload: "user", pod: "user-0" },
  attributes: { "url.path": "/" },
};

/** An export whose collector answers when the test says so. */
function rig(ringBytes?: number) {
  const rings = [createLogRing(ringBytes), createLogRing(ringBytes)];
  const waiting: { spans: readonly SpanRecord[]; end: PromiseWithResolvers<void> }[] = [];
  const said: (string | undefined)[] = [];
  let closed = 0;
  const spans = new SpanExport({
    rings,
    sender: {
      send: (batch) => {
        const end = Promise.withResolvers<void>();
        waiting.push({ spans: batch, end });
        return end.promise;
      },
      close: async () => {
        closed++;
      },
    },
    onChange: (problem) => said.push(problem),
  });
  const writers = rings.map((ring) => new SpanWriter(ring));
  const tell = (worker: number, count = 1): void => {
    for (let i = 0; i < count; i++) writers[worker]?.tell(SPAN);
  };
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { spans, waiting, said, tell, settled, closed: () => closed };
}

test("spans of all workers are sent as they were told, and counted when they were taken", async () => {
  const { spans, waiting, tell, settled } = rig();
  tell(0, 2);
  tell(1);
  spans.flush();
  spans.flush();
  assert.deepEqual(
    waiting.map((one) => one.spans),
    [[SPAN, SPAN], [SPAN]],
  );
  assert.equal(spans.sent, 0);
  for (const { end } of waiting) end.resolve();
  await settled();
  assert.deepEqual([spans.sent, spans.dropped], [3, 0]);
});

test("what a collector does not take is dropped and counted; it is said once, and once that it is well again", async () => {
  const { spans, waiting, said, tell, settled } = rig();
  for (const ok of [false, false, true, true]) {
    tell(0);
    spans.flush();
    const { end } = waiting.pop() ?? {};
    if (ok) end?.resolve();
    else end?.reject(new Error("away"));
    await settled();
  }
  assert.deepEqual([spans.sent, spans.dropped], [2, 2]);
  assert.deepEqual(said, ["away", undefined]);
});

test("a slow collector holds few batches; the rings fill, then spans are dropped and counted", async () => {
  const { spans, waiting, tell, settled } = rig(1024);
  for (let i = 0; i < 20; i++) {
    tell(0);
    spans.flush();
  }
  assert.equal(waiting.length, 4);
  tell(0, 100);
  assert.ok(spans.dropped > 90);
  const { dropped } = spans;
  waiting[0]?.end.resolve();
  await settled();
  spans.flush();
  assert.equal(waiting.length, 5);
  assert.equal(spans.dropped, dropped);
});

test("an agent that ends sends what is left, and waits for a collector that hangs only a little", async (context) => {
  const { spans, waiting, tell, closed } = rig();
  tell(1);
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const ended = spans.close();
  assert.equal(waiting.length, 1);
  context.mock.timers.tick(2000);
  await ended;
  assert.equal(closed(), 0);
  const other = rig();
  other.tell(0);
  const inOrder = other.spans.close();
  other.waiting[0]?.end.resolve();
  await inOrder;
  assert.equal(other.closed(), 1);
});
