import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { payerOf, Shares } from "./shares.ts";

const ROWS = 3_072;

function of(namespace: string, workload: string) {
  return payerOf({ src_namespace: namespace, src_workload: workload });
}

/** Takes until it is refused; how many it got. */
function takeAll(shares: Shares, payer: ReturnType<typeof of>): number {
  for (let taken = 0; ; taken++) if (!shares.take(payer)) return taken;
}

type Payers = readonly ReturnType<typeof of>[];

interface Step {
  readonly payer: readonly [tenant: string, workload: string];
  readonly take: boolean;
}

/** Takes a row, or gives back the last that was; what is held then. */
function play(shares: Shares, held: Payers, { payer: [tenant, workload], take }: Step): Payers {
  const payer = of(tenant, workload);
  if (take) return shares.take(payer) ? [...held, payer] : held;
  for (const last of held.slice(-1)) shares.giveBack(last);
  return held.slice(0, -1);
}

describe("who pays", () => {
  const dst = { dst_namespace: "shop", dst_workload: "order" };
  const cases = [
    ["a client", { src_namespace: "a", src_workload: "b", ...dst }, "a", "a/b"],
    [
      "strangers of a pod",
      { src_namespace: "unknown", src_workload: "unknown", ...dst },
      ">shop",
      ">shop/order",
    ],
    ["kubelet", { src_namespace: "", src_workload: "kubelet", ...dst }, ">shop", ">shop/order"],
    ["a Service's owner", { dst_service: "shop/order" }, "@shop", "@shop/order"],
    ["nobody", {}, "@", "@/"],
  ] as const;
  for (const [who, labels, tenant, workload] of cases)
    test(who, () => assert.deepEqual(payerOf(labels), { tenant, workload }));
});

describe("shares", () => {
  test("who is alone gets far", () => {
    assert.ok(takeAll(new Shares(ROWS), of("a", "b")) > ROWS / 3);
  });

  test("however many workloads one tenant has, another's begin with series of their own", () => {
    const shares = new Shares(ROWS);
    for (let i = 0; i < 500; i++) takeAll(shares, of("bad", `w${i}`));
    for (let i = 0; i < 10; i++)
      assert.ok(takeAll(shares, of(`good${i}`, "w")) >= Math.floor(ROWS / 48), `good${i}`);
  });

  test("a bad workload leaves room to the others of its namespace", () => {
    const shares = new Shares(ROWS);
    takeAll(shares, of("shop", "bad"));
    for (let i = 0; i < 10; i++) assert.ok(takeAll(shares, of("shop", `w${i}`)) >= 48, `w${i}`);
  });

  test("strangers of a pod do not take what its own clients and it pay for", () => {
    const shares = new Shares(ROWS);
    const strangers = payerOf({
      ...{ src_namespace: "unknown", src_workload: "unknown" },
      ...{ dst_namespace: "shop", dst_workload: "order" },
    });
    takeAll(shares, strangers);
    assert.ok(takeAll(shares, of("shop", "order")) > 500);
  });

  test("what is given back is there again, and never more is given than there is", () => {
    const name = fc.constantFrom("a", "b", "c");
    const step = fc.record({ payer: fc.tuple(name, name), take: fc.boolean() });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.array(step), (rows, steps) => {
        const shares = new Shares(rows);
        const taken = steps.reduce<Payers>((held, step) => play(shares, held, step), []);
        assert.ok(taken.length <= rows);
        for (const one of taken) shares.giveBack(one);
        assert.equal(takeAll(shares, of("x", "y")), takeAll(new Shares(rows), of("x", "y")));
      }),
    );
  });
});
