import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type BlockSize, createBlock } from "./block.ts";
import { Collector, type Sample } from "./collector.ts";
import { type LabelsOf, METRIC_KEYS, type MetricKey, specOf } from "./metrics.ts";
import { WorkerMetrics } from "./worker-metrics.ts";

const IDLE_MS = 1_000;

/** Numbers that every worker has from the start: the overflow of each metric, and how often that happened. */
const RESERVED =
  1 +
  METRIC_KEYS.map(specOf).filter(
    ({ source, kind, labels }) => source === "worker" && kind !== "histogram" && labels.length > 0,
  ).length;

/** Room for so many numbers beside those. */
function roomFor(scalars: number): BlockSize {
  return { scalars: RESERVED + scalars, histograms: 8 };
}

function pod(dst_workload: string): LabelsOf<"tcpOpened"> {
  return {
    reporter: "source",
    src_namespace: "shop",
    src_workload: "user",
    dst_namespace: "shop",
    dst_workload,
    dst_service: "order",
    path: "proxy",
    security: "none",
  };
}

function rig(size: BlockSize = roomFor(54)) {
  const time = { now: 0 };
  const collector = new Collector({ clock: () => time.now, idleMs: IDLE_MS });
  const start = () => {
    const buffer = createBlock(size);
    collector.attach(buffer);
    return { buffer, metrics: new WorkerMetrics(buffer) };
  };
  const samples = (key: MetricKey): readonly Sample[] => collector.collect().get(key) ?? [];
  const totals = (key: MetricKey) =>
    Object.fromEntries(
      samples(key).map((one) => [Object.values(one.labels).join("/"), one.values[0]]),
    );
  const opened = (name: string) =>
    samples("tcpOpened").find((one) => Object.values(one.labels)[4] === name)?.values[0];
  return { time, collector, start, samples, totals, opened };
}

describe("counting", () => {
  test("the same series of two workers is summed, and asking twice gives the same handle", () => {
    const { start, opened } = rig();
    const [a, b] = [start(), start()];
    const handle = a.metrics.counter("tcpOpened", pod("order"));
    assert.equal(a.metrics.counter("tcpOpened", pod("order")), handle);
    handle.add(2);
    b.metrics.counter("tcpOpened", pod("order")).add(3);
    assert.equal(opened("order"), 5);
    assert.equal(opened("user"), undefined);
  });

  test("a histogram counts each observation once, in its bucket, with the sum", () => {
    const { start, samples } = rig();
    const { reporter, ...pair } = pod("order");
    const labels = { reporter, ...pair, protocol: "http", route: "" };
    const histogram = start().metrics.histogram("httpDuration", labels);
    for (const seconds of [0, 0.0005, 0.0006, 60, 61, Number.NaN, -1]) histogram.observe(seconds);
    const [sample] = samples("httpDuration");
    const values = [...(sample?.values ?? [])];
    assert.deepEqual(values.slice(0, 3), [2, 1, 0]);
    assert.deepEqual(values.slice(15, 17), [1, 1]);
    assert.ok(Math.abs((values[17] ?? 0) - 121.0011) < 1e-9);
  });

  test("a gauge is the mean over the workers that have it, and goes when dropped", () => {
    const { start, totals } = rig();
    const [a, b] = [start(), start()];
    const labels = { dst_service: "shop/order", port: "80", state: "ejected" };
    const gauge = a.metrics.gauge("endpointState", labels);
    gauge.set(3);
    b.metrics.gauge("endpointState", labels).set(0);
    assert.deepEqual(totals("endpointState"), { "shop/order/80/ejected": 1.5 });
    a.metrics.drop(gauge);
    assert.deepEqual(totals("endpointState"), { "shop/order/80/ejected": 0 });
    gauge.set(4);
    assert.deepEqual(totals("endpointState"), { "shop/order/80/ejected": 2 });
  });
});

describe("bounds", () => {
  test("what has no room is counted as overflow, and nothing is lost from the sum", () => {
    const { start, samples, totals } = rig(roomFor(10));
    const { metrics } = start();
    for (let i = 0; i < 100; i++) metrics.counter("tcpOpened", pod(`w${i}`)).add(1);
    const counts = samples("tcpOpened").map((one) => one.values[0] ?? 0);
    assert.equal(
      counts.reduce((sum, one) => sum + one, 0),
      100,
    );
    assert.ok(counts.length <= 11);
    assert.equal(Object.values(totals("seriesOverflowed"))[0], 100 - counts.length + 1);
  });

  test("what overflows often is remembered once, and gets a row of its own when there is one", () => {
    const { time, collector, start, opened } = rig(roomFor(5));
    const { metrics } = start();
    for (let i = 0; i < 30; i++) metrics.counter("tcpOpened", pod(`w${i}`)).add(1);
    const late = metrics.counter("tcpOpened", pod("late"));
    assert.equal(metrics.counter("tcpOpened", pod("late")), late);
    late.add(1);
    assert.equal(opened("late"), undefined);
    for (let i = 0; i < 2; i++) {
      time.now += IDLE_MS;
      collector.collect();
      metrics.sweep();
    }
    late.add(5);
    assert.equal(opened("late"), 5);
  });

  test("a description too long for its place is counted as overflow", () => {
    const { start, opened } = rig();
    start()
      .metrics.counter("tcpOpened", pod("x".repeat(2_000)))
      .add(1);
    assert.equal(opened("overflow"), 1);
  });

  test("a series is as old as it is known, the overflow as its first count", () => {
    const { time, start, samples } = rig(roomFor(6));
    const { metrics } = start();
    metrics.counter("tcpOpened", pod("order"));
    const ages = () =>
      samples("tcpOpened").map(({ labels, ageMs }) => [labels["dst_workload"], ageMs]);
    assert.deepEqual(ages(), [["order", 0]]);
    time.now += 500;
    for (let i = 0; i < 20; i++) metrics.counter("tcpOpened", pod(`w${i}`)).add(1);
    const now = new Map(ages() as [string, number][]);
    assert.deepEqual([now.get("order"), now.get("w0"), now.get("overflow")], [500, 0, 0]);
  });

  test("label values of any kind come out as they went in", () => {
    const { start, opened } = rig({ scalars: 256, histograms: 8 });
    const { metrics } = start();
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 20 }), (name) => {
        const before = opened(name) ?? 0;
        metrics.counter("tcpOpened", pod(name)).add(1);
        assert.equal(opened(name), before + 1);
      }),
      { numRuns: 30 },
    );
  });
});

describe("idle series", () => {
  test("an idle series leaves the output, its row is used again, and its holder may count on", () => {
    const { time, collector, start, opened } = rig(roomFor(10));
    const { metrics } = start();
    const kept = metrics.counter("tcpOpened", pod("order"));
    kept.add(7);
    assert.equal(opened("order"), 7);
    time.now += IDLE_MS;
    assert.equal(opened("order"), undefined);
    metrics.sweep();
    collector.collect();
    metrics.sweep();
    for (let i = 0; i < 30; i++) {
      metrics.counter("tcpOpened", pod(`w${i}`)).add(1);
      assert.equal(opened(`w${i}`), 1, "the row is free again");
      time.now += IDLE_MS;
      collector.collect();
      metrics.sweep();
      collector.collect();
      metrics.sweep();
    }
    kept.add(1);
    assert.equal(opened("order"), 1, "a new series, from zero");
    assert.equal(metrics.counter("tcpOpened", pod("order")), kept);
  });

  test("a series busy in one worker keeps the counts of workers where it is idle", () => {
    const { time, start, opened } = rig();
    const [a, b] = [start(), start()];
    a.metrics.counter("tcpOpened", pod("order")).add(10);
    const busy = b.metrics.counter("tcpOpened", pod("order"));
    for (let i = 1; i <= 10; i++) {
      busy.add(1);
      time.now += IDLE_MS - 1;
      a.metrics.sweep();
      assert.equal(opened("order"), 10 + i);
    }
  });

  test("counts made between the request to go and the going are not lost", () => {
    const { time, start, opened } = rig();
    const { metrics } = start();
    const handle = metrics.counter("tcpOpened", pod("order"));
    handle.add(1);
    opened("order");
    time.now += IDLE_MS;
    assert.equal(opened("order"), undefined);
    handle.add(1);
    metrics.sweep();
    handle.add(1);
    assert.equal(opened("order"), 3);
  });

  test("an old and a new handle of one series count on the same row", () => {
    const { time, collector, start, opened } = rig();
    const { metrics } = start();
    const old = metrics.counter("tcpOpened", pod("order"));
    old.add(1);
    collector.collect();
    time.now += IDLE_MS;
    collector.collect();
    metrics.sweep();
    const fresh = metrics.counter("tcpOpened", pod("order"));
    assert.notEqual(fresh, old);
    old.add(1);
    fresh.add(1);
    assert.equal(old.row, fresh.row);
    assert.equal(opened("order"), 3);
  });
});

describe("workers come and go", () => {
  test("counts of a dead worker are kept once, its gauges end", () => {
    const { collector, start, opened, totals } = rig();
    const dead = start();
    dead.metrics.counter("tcpOpened", pod("order")).add(4);
    dead.metrics.gauge("endpointState", { dst_service: "a", port: "1", state: "ready" }).set(1);
    collector.detach(dead.buffer);
    collector.detach(dead.buffer);
    assert.equal(opened("order"), 4);
    assert.deepEqual(totals("endpointState"), {});
    start().metrics.counter("tcpOpened", pod("order")).add(1);
    assert.equal(opened("order"), 5);
  });

  test("a block that was used is refused: its counts would be lost", () => {
    const { buffer } = rig().start();
    assert.throws(() => new WorkerMetrics(buffer), /already in use/);
  });

  const action = fc.record({
    add: fc.nat(3),
    worker: fc.nat(2),
    series: fc.nat(5),
    kill: fc.boolean(),
    sweep: fc.boolean(),
    waitMs: fc.constantFrom(0, 400, IDLE_MS),
  });

  interface Game extends ReturnType<typeof rig> {
    readonly workers: ReturnType<ReturnType<typeof rig>["start"]>[];
    readonly shown: Map<string, number | undefined>;
  }

  /** The series rose by exactly `by` since it was last looked at, unless it was or is hidden. */
  function look({ shown, opened }: Game, name: string, by: number): void {
    const [before, after] = [shown.get(name), opened(name)];
    if (before !== undefined && after !== undefined) assert.equal(after - before, by);
    shown.set(name, after);
  }

  function restart({ workers, collector, start }: Game, index: number): void {
    const dead = workers[index];
    if (dead !== undefined) collector.detach(dead.buffer);
    workers[index] = start();
  }

  test("whatever is killed, swept or idle, a shown total rises by exactly what was counted", () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 150 }), (actions) => {
        const base = rig(roomFor(30));
        const workers = [base.start(), base.start(), base.start()];
        const game: Game = { ...base, workers, shown: new Map() };
        for (const one of actions) {
          const name = `w${one.series}`;
          workers[one.worker]?.metrics.counter("tcpOpened", pod(name)).add(one.add);
          look(game, name, one.add);
          if (one.sweep) workers[one.worker]?.metrics.sweep();
          if (one.kill) restart(game, one.worker);
          game.time.now += one.waitMs;
          for (const known of game.shown.keys()) look(game, known, 0);
        }
      }),
      { numRuns: 200 },
    );
  });
});
