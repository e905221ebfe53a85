import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { createBlock } from "./block.ts";
import { Collector } from "./collector.ts";

const WORKER = new URL("./testing-worker.ts", import.meta.url);

function start(collector: Collector, count: number, die: boolean) {
  const buffer = createBlock();
  collector.attach(buffer);
  return { buffer, worker: new Worker(WORKER, { workerData: { buffer, count, die } }) };
}

test("counts of real worker threads add up, while they run and after one died and was replaced", async () => {
  const collector = new Collector({ clock: () => 0 });
  const total = () => collector.collect().get("retries")?.[0]?.values[0] ?? 0;
  const steady = start(collector, 100_000, false);
  const dying = start(collector, 50_000, true);
  const died = once(dying.worker, "error");
  await once(steady.worker, "message");
  const [error] = await died;
  assert.match(String(error), /killed by the test/);
  assert.equal(total(), 150_000);
  collector.detach(dying.buffer);
  const replacement = start(collector, 25_000, false);
  await once(replacement.worker, "message");
  assert.equal(total(), 175_000);
  const sizes = collector.collect().get("httpRequestBytes")?.[0]?.values ?? [];
  assert.equal(
    [...sizes].slice(0, 10).reduce((sum, one) => sum + one, 0),
    175_000,
  );
  for (const { worker, buffer } of [steady, replacement]) {
    const gone = once(worker, "exit");
    worker.postMessage("stop");
    await gone;
    collector.detach(buffer);
  }
  assert.equal(total(), 175_000);
});
