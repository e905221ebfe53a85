import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Balance, DEFAULT_BALANCE } from "#model/balance.ts";
import type { EndpointSet } from "./endpoint-set.ts";
import { hashText, NO_KEY } from "./hash.ts";
import { conditionOf, type LiveEndpoint } from "./live-endpoint.ts";
import {
  ANYONE,
  ejectByConnect,
  endpoint,
  endpoints,
  find,
  KINDS,
  mustPick,
  rig,
  spread,
} from "./testing.ts";

describe("distribution", () => {
  for (const balance of KINDS)
    test(`${JSON.stringify(balance)} spreads equal endpoints within 20 % of fair`, () => {
      const { set } = rig({ balance, endpoints: endpoints(5) });
      const keyed = (i: number) => ({
        key: hashText(`user-${i}`),
        client: hashText(`10.1.${i >> 8}.${i & 255}`),
        tried: [],
      });
      const counts = spread(set, 10_000, keyed);
      assert.equal(counts.size, 5);
      for (const [address, count] of counts)
        assert.ok(count > 1_600 && count < 2_400, `${address} got ${count} of 10,000`);
    });

  test("round-robin is exact over whole rounds", () => {
    const { set } = rig({ balance: { kind: "round-robin" } });
    assert.deepEqual(new Set(spread(set, 300).values()), new Set([100]));
  });

  test("least-request never gives a third of held requests more than its share", () => {
    const { set } = rig({ endpoints: endpoints(10) });
    for (let i = 0; i < 1_000; i++) mustPick(set);
    const loads = set.endpoints.map((one) => one.active);
    assert.ok(Math.max(...loads) - Math.min(...loads) <= 8, `loads ${loads}`);
  });

  test("ewma prefers the fast endpoint and gives an unmeasured one a single request", () => {
    const { set } = rig({ balance: { kind: "ewma" }, endpoints: endpoints(2) });
    const first = mustPick(set);
    const second = mustPick(set);
    assert.notEqual(first, second);
    set.answered(first, 100);
    set.answered(second, 2);
    set.release(first);
    set.release(second);
    assert.equal(spread(set, 50).get(second.address), 50);
  });

  test("a request without the hash key goes to the less busy endpoint", () => {
    const balance: Balance = { kind: "consistent-hash", key: { kind: "cookie", name: "sid" } };
    const { set } = rig({ balance, endpoints: endpoints(2) });
    const first = mustPick(set);
    const second = mustPick(set);
    assert.notEqual(first, second);
    assert.deepEqual(set.hashKey, { kind: "cookie", name: "sid" });
  });
});

describe("consistent hashing", () => {
  const balance: Balance = { kind: "consistent-hash", key: { kind: "header", name: "x-user" } };
  const keys = Array.from({ length: 500 }, (_, i) => hashText(`key-${i}`));

  function homes(set: EndpointSet): readonly string[] {
    return keys.map((key) => {
      const picked = mustPick(set, { key, client: NO_KEY, tried: [] });
      set.release(picked);
      return picked.address;
    });
  }

  test("a removed endpoint moves its own keys and no other; a returning one takes back its own", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 30 }), fc.nat(), (count, nth) => {
        const { set } = rig({ balance, endpoints: endpoints(count) });
        const before = homes(set);
        const gone = `10.0.0.${(nth % count) + 1}`;
        set.update({ balance, endpoints: endpoints(count).filter((e) => e.address !== gone) });
        homes(set).forEach((home, i) => {
          if (before[i] === gone) assert.notEqual(home, gone);
          else assert.equal(home, before[i]);
        });
        set.update({ balance, endpoints: endpoints(count) });
        assert.deepEqual(homes(set), before);
      }),
      { numRuns: 30 },
    );
  });

  test("the order of endpoints does not matter, so all workers and nodes agree", () => {
    const one = rig({ balance, endpoints: endpoints(9) }).set;
    const other = rig({ balance, endpoints: [...endpoints(9)].reverse() }).set;
    assert.deepEqual(homes(one), homes(other));
  });
});

describe("choice of candidates", () => {
  test("draining endpoints are used only when no ready one is left, unready ones never", () => {
    const { set } = rig({
      endpoints: [endpoint(1), endpoint(2, "draining"), endpoint(3, "unready")],
    });
    assert.deepEqual([...spread(set, 20).keys()], ["10.0.0.1"]);
    set.update({
      balance: DEFAULT_BALANCE,
      endpoints: [endpoint(2, "draining"), endpoint(3, "unready")],
    });
    assert.deepEqual([...spread(set, 20).keys()], ["10.0.0.2"]);
    set.update({ balance: DEFAULT_BALANCE, endpoints: [endpoint(3, "unready")] });
    const refusal = set.pick(ANYONE);
    assert.equal(refusal.kind === "refusal" && refusal.reason, "no-endpoints");
  });

  test("a retry goes to an endpoint that was not tried, until none is left", () => {
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), fc.integer({ min: 1, max: 12 }), (balance, count) => {
        const { set } = rig({ balance, endpoints: endpoints(count) });
        const tried: LiveEndpoint[] = [];
        const request = { key: hashText("k"), client: hashText("c"), tried };
        for (let i = 0; i < count; i++) {
          const next = mustPick(set, request);
          assert.ok(!tried.includes(next));
          tried.push(next);
        }
        assert.equal(set.pick(request).kind, "refusal");
      }),
    );
  });
});

describe("ClientIP affinity", () => {
  test("a client keeps its endpoint while others join, until the time-out after its last use", () => {
    const { set, time } = rig({ affinitySeconds: 10, endpoints: endpoints(2) });
    const request = { ...ANYONE, client: hashText("10.9.9.9") };
    const home = mustPick(set, request);
    for (let n = 3; n <= 40; n++) {
      set.update({ balance: DEFAULT_BALANCE, affinitySeconds: 10, endpoints: endpoints(n) });
      time.now += 9_999;
      assert.equal(mustPick(set, request), home);
    }
    time.now += 10_000;
    const wanted = rig({ affinitySeconds: 10, endpoints: endpoints(40) }).set;
    assert.equal(mustPick(set, request).address, mustPick(wanted, request).address);
  });

  test("a client whose endpoint is gone or ejected gets another and stays there", () => {
    const { set } = rig({ affinitySeconds: 60, endpoints: endpoints(4) });
    const request = { ...ANYONE, client: hashText("10.9.9.9") };
    const home = mustPick(set, request);
    ejectByConnect(set, home);
    const other = mustPick(set, request);
    assert.notEqual(other, home);
    assert.equal(mustPick(set, request), other);
  });
});

describe("passive ejection", () => {
  test("connect failures eject, and exactly one request probes after the back-off", () => {
    const { set, time } = rig({ endpoints: endpoints(2) });
    const bad = find(set, 1);
    ejectByConnect(set, bad);
    assert.equal(conditionOf(bad), "ejected");
    assert.equal(spread(set, 50).get(bad.address), undefined);
    time.now = 2_001;
    const probes = Array.from({ length: 50 }, () => mustPick(set)).filter((one) => one === bad);
    assert.equal(probes.length, 1);
    set.answered(bad, 1);
    assert.equal(conditionOf(bad), "ready");
    assert.ok((spread(set, 100).get(bad.address) ?? 0) > 0);
  });

  test("a failed probe doubles the back-off up to a minute; a probe without a verdict is repeated", () => {
    const { set, time } = rig({ balance: { kind: "round-robin" }, endpoints: endpoints(2) });
    const bad = find(set, 1);
    ejectByConnect(set, bad);
    for (let round = 0; round < 10; round++) {
      const wait = bad.ejectedUntil - time.now;
      const bound = Math.min(60_000, 2_000 * 2 ** round);
      assert.ok(wait >= bound / 2 && wait <= bound, `round ${round}: waits ${wait}`);
      time.now = bad.ejectedUntil;
      const tried = [find(set, 2)];
      const abandoned = mustPick(set, { ...ANYONE, tried });
      assert.equal(abandoned, bad);
      set.release(abandoned);
      assert.equal(bad.health, "half-open");
      assert.equal(mustPick(set, { ...ANYONE, tried }), bad);
      set.failed(bad, "reset");
      set.release(bad);
    }
  });

  test("an answer in between starts the count anew; gateway failures need more than connect failures", () => {
    const { set } = rig({ endpoints: endpoints(2) });
    const one = find(set, 1);
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j < 4; j++) set.failed(one, "gateway");
      set.answered(one, 1);
    }
    assert.equal(one.health, "healthy");
    for (let j = 0; j < 5; j++) set.failed(one, "gateway");
    assert.equal(one.health, "ejected");
    set.answered(one, 1);
    assert.equal(one.health, "ejected", "a late answer of an old request proves nothing");
  });

  test("no more than half of the ready endpoints are ejected, a lone one never", () => {
    for (const [count, most] of [
      [1, 0],
      [2, 1],
      [3, 1],
      [10, 5],
    ] as const) {
      const { set } = rig({ endpoints: endpoints(count) });
      for (const one of set.endpoints) ejectByConnect(set, one);
      const ejected = set.endpoints.filter((one) => one.health === "ejected").length;
      assert.equal(ejected, most, `${count} endpoints`);
    }
  });

  test("when only ejected endpoints are ready they are used, before draining ones", () => {
    const { set } = rig({ endpoints: endpoints(2) });
    ejectByConnect(set, find(set, 1));
    set.update({ balance: DEFAULT_BALANCE, endpoints: [endpoint(1), endpoint(3, "draining")] });
    const panic = mustPick(set);
    assert.equal(panic.address, "10.0.0.1");
    set.answered(panic, 1);
    assert.equal(panic.health, "healthy");
  });
});

describe("updates", () => {
  test("running state survives an update; another pod on the same address starts clean", () => {
    const { set, time } = rig({ endpoints: endpoints(2) });
    const bad = find(set, 1);
    ejectByConnect(set, bad);
    const busy = mustPick(set);
    set.update({ balance: DEFAULT_BALANCE, endpoints: [] });
    set.update({ balance: { kind: "random" }, endpoints: endpoints(2) });
    assert.equal(find(set, 1), bad);
    assert.equal(find(set, 2), busy);
    assert.equal(busy.active, 1);
    set.release(busy);
    time.now = 60_000;
    set.update({ balance: DEFAULT_BALANCE, endpoints: [] });
    set.update({
      balance: DEFAULT_BALANCE,
      endpoints: [{ ...endpoint(1), workload: "another-pod" }, endpoint(2)],
    });
    assert.equal(find(set, 1).health, "healthy");
    assert.notEqual(find(set, 2), busy, "an idle endpoint that left is forgotten");
  });

  test("releasing more often than picking is a bug and says so", () => {
    const { set } = rig({});
    const picked = mustPick(set);
    set.release(picked);
    assert.throws(() => set.release(picked), /released more often/);
  });
});
