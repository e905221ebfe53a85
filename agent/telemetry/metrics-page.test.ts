import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseExposition } from "../../test/support/exposition.ts";
import { type Family, MetricsPage } from "./metrics-page.ts";
import { LONGEST_INTERVAL_MS, type Scrape, type Scraper } from "./scrapers.ts";

const USUAL_MS = 30_000;

/** A program whose counters are `seen_total{who}` and a histogram; each series has its age. */
function rig() {
  const time = { now: 0 };
  const counts = new Map<string, { labels: { who: string }; count: number; since: number }>();
  const kernel = { from: 0, value: 0 };
  const read = async (): Promise<readonly Family[]> => {
    const all = [...counts.values()];
    const seen = all.map(({ labels, count, since }) => ({
      labels,
      values: [count],
      ageMs: time.now - since,
    }));
    const took = all.map(({ count, since, labels }) => ({
      labels: labelsOf(labels),
      values: [count, 0, count / 2],
      ageMs: time.now - since,
    }));
    const help = "x";
    return [
      { spec: { name: "seen_total", kind: "counter", help }, series: seen },
      { spec: { name: "took_seconds", kind: "histogram", help, buckets: [1] }, series: took },
      {
        spec: { name: "kernel_total", kind: "counter", help },
        series: [{ labels: {}, values: [kernel.value], from: kernel.from }],
      },
      {
        spec: { name: "level", kind: "gauge", help },
        series: [{ labels: {}, values: [7] }],
      },
    ];
  };
  const page = new MetricsPage({ read, clock: () => time.now });
  /** Series of the histogram have labels of their own: one object belongs to one series. */
  const own = new WeakMap<object, { who: string }>();
  const labelsOf = (labels: { who: string }) => {
    const mine = own.get(labels) ?? { ...labels };
    own.set(labels, mine);
    return mine;
  };
  const count = (who: string, by: number): void => {
    const known = counts.get(who) ?? { labels: { who }, count: 0, since: time.now };
    known.count += by;
    counts.set(who, known);
  };
  const look = async (scraper?: Scraper) => {
    const asked: Scrape = { accept: "", scraper };
    const families = parseExposition((await page.scrape(asked)).body);
    const value = (name: string, who = ""): number | undefined =>
      [...families.values()]
        .flatMap(({ samples }) => samples)
        .find((one) => one.name === name && (one.labels["who"] ?? "") === who)?.value;
    return { seen: (who: string) => value("seen_total", who), value };
  };
  return { time, counts, kernel, page, count, look };
}

function scraper(address: string): Scraper & { connection: { destroyed: boolean } } {
  return { address, connection: { destroyed: false } };
}

describe("a new series", () => {
  test("is 0 for a scraper once, then what it is; whoever else asks is told the truth", async () => {
    const { count, look, time } = rig();
    const prometheus = scraper("a");
    await look(prometheus);
    time.now += USUAL_MS;
    count("order", 5);
    assert.equal((await look()).seen("order"), 5);
    const first = await look(prometheus);
    assert.equal(first.seen("order"), 0);
    assert.deepEqual(
      ["_count", "_sum", "_bucket"].map((part) => first.value(`took_seconds${part}`, "order")),
      [0, 0, 0],
    );
    assert.equal(first.value("level"), 7);
    count("order", 2);
    assert.equal((await look()).seen("order"), 7);
    const second = await look(prometheus);
    assert.equal(second.seen("order"), 7);
    assert.equal(second.value("took_seconds_count", "order"), 7);
    assert.equal(second.value("took_seconds_sum", "order"), 3.5);
  });

  test("is 0 for every scraper once, whatever their intervals", async () => {
    const { count, look } = rig();
    const [fast, slow] = [scraper("a"), scraper("b")];
    await look(fast);
    await look(slow);
    count("order", 3);
    const seenByFast = [];
    for (let i = 0; i < 3; i++) seenByFast.push((await look(fast)).seen("order"));
    assert.deepEqual(seenByFast, [0, 3, 3]);
    assert.deepEqual([(await look(slow)).seen("order"), (await look(slow)).seen("order")], [0, 3]);
  });

  test("is 0 for two replicas of one interval, also when they come by one address", async () => {
    const { count, look } = rig();
    const [one, other] = [scraper("node"), scraper("node")];
    for (const replica of [one, other]) await look(replica);
    count("order", 3);
    const seen = [];
    for (const replica of [one, other, one, other]) seen.push((await look(replica)).seen("order"));
    assert.deepEqual(seen, [0, 0, 3, 3]);
  });

  test("is 0 once for each of the scrapers that come over a new connection each time", async () => {
    for (const replicas of [1, 2]) {
      const { count, look } = rig();
      const come = async (): Promise<number | undefined> => {
        const once = scraper("a");
        const { seen } = await look(once);
        once.connection.destroyed = true;
        return seen("order");
      };
      const round = (): Promise<unknown> => Promise.all(Array.from({ length: replicas }, come));
      await round();
      count("order", 3);
      const [zeros, all] = [await round(), await round()];
      assert.deepEqual([zeros, all], [Array(replicas).fill(0), Array(replicas).fill(3)]);
    }
  });

  test("of an agent that has just begun is 0 at the first scrape, and is no more when it is old", async () => {
    const { count, look, time } = rig();
    count("order", 4);
    time.now += USUAL_MS;
    assert.equal((await look(scraper("a"))).seen("order"), 0);
    time.now += LONGEST_INTERVAL_MS;
    assert.equal((await look(scraper("b"))).seen("order"), 4);
  });

  test("that was told to somebody is told to who is new: it may be the same, moved elsewhere", async () => {
    const { count, look } = rig();
    const before = scraper("a");
    count("order", 4);
    await look(before);
    await look(before);
    assert.equal((await look(scraper("b"))).seen("order"), 4);
  });

  test("that has left and comes back begins again at 0", async () => {
    const { count, counts, look } = rig();
    const prometheus = scraper("a");
    count("order", 4);
    await look(prometheus);
    assert.equal((await look(prometheus)).seen("order"), 4);
    counts.delete("order");
    assert.equal((await look(prometheus)).seen("order"), undefined);
    count("order", 1);
    assert.equal((await look(prometheus)).seen("order"), 0);
    assert.equal((await look(prometheus)).seen("order"), 1);
  });

  test("that outlives the process is first what this process found", async () => {
    const { kernel, look, page } = rig();
    assert.ok(page);
    kernel.from = 1_000;
    kernel.value = 1_012;
    const prometheus = scraper("a");
    assert.equal((await look(prometheus)).value("kernel_total"), 1_000);
    assert.equal((await look(prometheus)).value("kernel_total"), 1_012);
  });
});

describe("who asks while a page is made", () => {
  test("shares what was read, and is still told what is his", async () => {
    let reads = 0;
    const spec = { name: "seen_total", help: "x", kind: "counter" } as const;
    const page = new MetricsPage({
      clock: () => 0,
      read: async () => {
        if (++reads === 2) throw new Error("broken");
        return [{ spec, series: [{ labels: {}, values: [reads] }] }];
      },
    });
    const ask = async (who?: Scraper): Promise<string | undefined> =>
      (await page.scrape({ accept: "", scraper: who })).body.split("\n").at(-2);
    const asked = [ask(), ask(scraper("a")), ask(), ask(scraper("b"))];
    assert.deepEqual(await Promise.all(asked), [
      "seen_total 1",
      "seen_total 0",
      "seen_total 1",
      "seen_total 0",
    ]);
    assert.equal(reads, 1);
    await assert.rejects(ask(), /broken/);
    assert.equal(await ask(), "seen_total 3");
  });
});

describe("whoever scrapes, in whatever order, over whatever connections", () => {
  /** The first two come by one address. */
  const ADDRESSES = ["a", "a", "b", "c"];
  const ALONE = new Set(["b", "c"]);
  /** Over a connection of its own, over one of a proxy that all of its address use, or over a new one. */
  const visit = fc.record({
    who: fc.nat(ADDRESSES.length - 1),
    over: fc.constantFrom("own", "own", "own", "pool", "new"),
    pooled: fc.nat(2),
    waitMs: fc.constantFrom(0, 1_000, USUAL_MS, LONGEST_INTERVAL_MS + 1),
    series: fc.nat(3),
    by: fc.nat(2),
  });

  /** One scraper, with what it was shown. */
  interface Player {
    readonly address: string;
    readonly own: Scraper;
    readonly shown: Map<string, number>;
    lastAt: number;
    /** It comes alone and over its own connection: then it misses nothing. */
    readonly exact: boolean;
  }

  function check(player: Player, name: string, now: number | undefined, is: Truth): void {
    const before = player.shown.get(name);
    assert.ok(now !== undefined && now <= is.count);
    assert.ok(before === undefined || now >= before, "a number fell");
    if (player.exact && before !== undefined) assert.equal(now, is.count, "then what it is");
    const usual = is.time - player.lastAt < LONGEST_INTERVAL_MS && is.since > player.lastAt;
    if (player.exact && before === undefined && usual) assert.equal(now, 0, "0 first");
    player.shown.set(name, now);
  }

  interface Truth {
    readonly count: number;
    readonly since: number;
    readonly time: number;
  }

  test("none sees a number fall, and who comes alone over its own connection misses no count", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(visit, { maxLength: 120 }), async (visits) => {
        const { time, count, counts, look } = rig();
        const pool = ADDRESSES.map((address) => [0, 1, 2].map(() => scraper(address)));
        const players = ADDRESSES.map((address, i): Player => {
          const others = visits.some(({ over, who }) => who === i && over !== "own");
          const exact = ALONE.has(address) && !others;
          return { address, own: scraper(address), shown: new Map(), lastAt: -1e9, exact };
        });
        for (const { who, over, pooled, waitMs, series, by } of visits) {
          time.now += waitMs;
          if (by > 0) count(`w${series}`, by);
          const player = players[who];
          const shared = pool[ADDRESSES.indexOf(ADDRESSES[who] ?? "")]?.[pooled];
          assert.ok(player !== undefined && shared !== undefined);
          const fresh = scraper(player.address);
          const { seen } = await look({ own: player.own, pool: shared, new: fresh }[over]);
          fresh.connection.destroyed = true;
          for (const [name, { since, count: truth }] of counts)
            check(player, name, seen(name), { count: truth, since, time: time.now });
          player.lastAt = time.now;
        }
      }),
      { numRuns: 300 },
    );
  });
});
