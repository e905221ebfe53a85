import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Balance } from "#model/balance.ts";
import type { EndpointState } from "#model/service.ts";
import type { EndpointSet } from "./endpoint-set.ts";
import { hashText } from "./hash.ts";
import type { LiveEndpoint } from "./live-endpoint.ts";
import type { Failure } from "./outlier.ts";
import { ANYONE, endpoint, endpoints, KINDS, type Rig, rig } from "./testing.ts";

const state = fc.constantFrom<EndpointState>("ready", "draining", "unready");
const view = fc.uniqueArray(fc.record({ n: fc.integer({ min: 1, max: 12 }), state }), {
  selector: (one) => one.n,
});

/** Picks for a client and gives back at once: the address, or the reason. */
function visit(set: EndpointSet, client: number): string {
  const picked = set.pick({ ...ANYONE, client });
  if (picked.kind === "refusal") return picked.reason;
  set.release(picked);
  return picked.address;
}

test("a set updated step by step chooses as one built from the last snapshot", () => {
  const balance: Balance = { kind: "consistent-hash", key: { kind: "source-ip" } };
  fc.assert(
    fc.property(fc.array(view, { minLength: 1, maxLength: 8 }), (views) => {
      const { set } = rig({ balance, endpoints: [] });
      const specs = views.map((v) => ({
        balance,
        endpoints: v.map((e) => endpoint(e.n, e.state)),
      }));
      for (const spec of specs) {
        set.update(spec);
        visit(set, 1);
      }
      const fresh = rig(specs.at(-1) ?? {}).set;
      assert.deepEqual(set.endpoints, fresh.endpoints);
      for (let client = 0; client < 50; client++)
        assert.equal(visit(set, client), visit(fresh, client));
    }),
  );
});

type Step =
  | { readonly do: "pick"; readonly retry: boolean }
  | { readonly do: "answer" | "abandon"; readonly nth: number }
  | { readonly do: "fail"; readonly nth: number; readonly failure: Failure }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "update"; readonly view: readonly { n: number; state: EndpointState }[] };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant("pick" as const), retry: fc.boolean() }),
  fc.record({ do: fc.constantFrom("answer" as const, "abandon" as const), nth: fc.nat(50) }),
  fc.record({
    do: fc.constant("fail" as const),
    nth: fc.nat(50),
    failure: fc.constantFrom<Failure>("connect", "gateway", "reset", "timeout"),
  }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.nat(5_000) }),
  fc.record({ do: fc.constant("update" as const), view }),
);

/** A client of one set that remembers what it holds. */
class Player {
  readonly rig: Rig;
  readonly balance: Balance;
  readonly held: LiveEndpoint[] = [];
  readonly seen = new Set<LiveEndpoint>();

  constructor(balance: Balance) {
    this.balance = balance;
    this.rig = rig({ balance, endpoints: endpoints(4) });
  }

  play(one: Step): void {
    const { set, time } = this.rig;
    switch (one.do) {
      case "pick":
        this.#pick(one.retry ? this.held.slice(-2) : []);
        return;
      case "wait":
        time.now += one.ms;
        return;
      case "update":
        set.update({
          balance: this.balance,
          endpoints: one.view.map((v) => endpoint(v.n, v.state)),
        });
        return;
      case "answer":
        this.#give(one.nth, (endpoint) => set.answered(endpoint, 5));
        return;
      case "abandon":
        this.#give(one.nth, () => undefined);
        return;
      case "fail":
        this.#give(one.nth, (endpoint) => set.failed(endpoint, one.failure));
        return;
    }
  }

  #give(nth: number, verdict: (endpoint: LiveEndpoint) => void): void {
    const [endpoint] = this.held.splice(nth % Math.max(1, this.held.length), 1);
    if (endpoint === undefined) return;
    verdict(endpoint);
    this.rig.set.release(endpoint);
  }

  #pick(tried: readonly LiveEndpoint[]): void {
    const { set, time } = this.rig;
    const usable = set.endpoints.filter((e) => e.state !== "unready" && !tried.includes(e));
    const open = usable.some((e) => e.state === "ready" && e.health === "healthy");
    const busyProbes = new Set(set.endpoints.filter((e) => e.health === "probing"));
    const picked = set.pick({ key: hashText(`${time.now}`), client: 7, tried });
    assert.equal(picked.kind === "endpoint", usable.length > 0);
    if (picked.kind !== "endpoint") return;
    this.held.push(picked);
    this.seen.add(picked);
    assert.ok(usable.includes(picked), "tried or unready");
    if (!open) return;
    assert.equal(picked.state, "ready");
    assert.ok(picked.health !== "ejected" && !busyProbes.has(picked), "ejected or a second probe");
  }
}

test("whatever happens: never a tried or unready endpoint, one probe at a time, counts return to zero", () => {
  fc.assert(
    fc.property(fc.constantFrom(...KINDS), fc.array(step, { maxLength: 120 }), (balance, steps) => {
      const player = new Player(balance);
      for (const one of steps) player.play(one);
      for (const one of player.held) player.rig.set.release(one);
      for (const one of player.seen) assert.equal(one.active, 0);
    }),
    { numRuns: 400 },
  );
});
