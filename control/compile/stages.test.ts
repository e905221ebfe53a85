import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Memo, NO_MEMO, outputs, type Results, Stages, unlessSame } from "./stages.ts";

test("a stage is made again when any of its inputs is another, with its result before", () => {
  const [a, b] = [{}, {}];
  let memo: Memo = NO_MEMO;
  const made: unknown[] = [];
  const run = (...inputs: readonly unknown[]): object => {
    const stages = new Stages(memo);
    const result = stages.once("one", inputs, (given, before?: object) => {
      made.push([given, before]);
      return {};
    });
    memo = stages.memo;
    return result;
  };
  const first = run(a, 1);
  assert.equal(run(a, 1), first);
  const second = run(b, 1);
  const third = run(b);
  assert.deepEqual(made, [
    [[a, 1], undefined],
    [[b, 1], first],
    [[b], second],
  ]);
  assert.ok(first !== second && second !== third);
});

test("a name belongs to one stage", () => {
  const stages = new Stages(NO_MEMO);
  stages.once("one", [], () => 1);
  assert.throws(() => stages.once("one", [], () => 1), /two stages are named one/);
});

test("a stage that did not run is forgotten: no memo grows", () => {
  const first = new Stages(NO_MEMO);
  first.once("old", [], () => ({}));
  const second = new Stages(first.memo);
  second.once("new", [], () => ({}));
  assert.deepEqual([...second.memo.keys()], ["new"]);
});

interface Thing {
  readonly name: string;
}

/** A stage over things: each result says its thing's name and what is said of it in a table beside them. */
class Lab {
  #memo: Memo = NO_MEMO;
  made: string[] = [];

  run(things: ReadonlyMap<string, Thing>, table: ReadonlyMap<string, object>): Results<Told> {
    this.made = [];
    const stages = new Stages(this.#memo);
    const results = stages.each("things", {
      ...{ objects: things, around: [table] },
      inputsOf: (thing: Thing, key) => [thing, table.get(key)] as const,
      make: ([{ name }, said]): Told => {
        this.made.push(name);
        return { name, list: [name.length], said };
      },
    });
    this.#memo = stages.memo;
    return results;
  }
}

interface Told {
  readonly name: string;
  readonly list: readonly number[];
  readonly said: object | undefined;
}

test("of many, those are made again whose object or whose part of what is around is another", () => {
  const lab = new Lab();
  const [word, other] = [{}, {}];
  const things = new Map(["a", "b", "c"].map((name) => [name, { name }]));
  const first = lab.run(things, new Map([["b", word]]));
  assert.deepEqual(lab.made, ["a", "b", "c"]);
  assert.equal(lab.run(things, new Map([["b", word]])), first, "another table that says the same");
  assert.deepEqual(lab.made, []);
  const second = lab.run(things, new Map([["b", other]]));
  assert.deepEqual(lab.made, ["b"]);
  assert.equal(second.get("a"), first.get("a"));
  const third = lab.run(
    new Map([...things, ["c", { name: "d" }], ["e", { name: "e" }]]),
    new Map(),
  );
  assert.deepEqual(lab.made, ["b", "d", "e"]);
  assert.equal(third.get("a"), first.get("a"));
  assert.deepEqual(
    outputs(lab.run(new Map([["a", { name: "a" }]]), new Map())).map(({ name }) => name),
    ["a"],
  );
});

test("an object that was written anew and says the same gives the same fields by identity", () => {
  const lab = new Lab();
  const table = new Map<string, object>();
  const first = lab.run(new Map([["a", { name: "aa" }]]), table).get("a")?.output;
  const second = lab.run(new Map([["a", { name: "bb" }]]), table).get("a")?.output;
  assert.deepEqual(lab.made, ["bb"]);
  assert.equal(second?.name, "bb");
  assert.equal(second.list, first?.list);
});

interface World {
  readonly things: ReadonlyMap<string, Thing>;
  readonly table: ReadonlyMap<string, object>;
}

/** What may happen to a thing. */
const CHANGES: Readonly<Record<string, (world: World, name: string) => World>> = {
  write: ({ things, ...rest }, name) => ({
    ...rest,
    things: new Map([...things, [name, { name }]]),
  }),
  remove: ({ things, ...rest }, name) => ({
    ...rest,
    things: new Map([...things].filter(([key]) => key !== name)),
  }),
  say: ({ table, ...rest }, name) => ({ ...rest, table: new Map([...table, [name, { name }]]) }),
};

function plain(results: Results<Told>): ReadonlyMap<string, Told> {
  return new Map([...results].map(([key, { output }]) => [key, output]));
}

test("whatever changes, the results are those of a first run, and nothing else is made", () => {
  const change = fc.record({
    name: fc.constantFrom("a", "b", "c", "d"),
    what: fc.constantFrom(...Object.keys(CHANGES)),
  });
  const rounds = fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 12 });
  fc.assert(
    fc.property(rounds, (all) => {
      const lab = new Lab();
      let world: World = { things: new Map(), table: new Map() };
      for (const round of all) {
        for (const { name, what } of round) world = CHANGES[what]?.(world, name) ?? world;
        const results = lab.run(world.things, world.table);
        const touched: ReadonlySet<string> = new Set(round.map(({ name }) => name));
        assert.deepEqual(
          lab.made.filter((name) => !touched.has(name)),
          [],
        );
        assert.deepEqual(plain(results), plain(new Lab().run(world.things, world.table)));
      }
    }),
  );
});

test("a list is the one before when what counts in its items is the same", () => {
  const before = [{ n: 1, x: 1 }];
  const now = [{ n: 1, x: 2 }];
  assert.equal(
    unlessSame(before, now, ({ n }) => n),
    before,
  );
  assert.equal(
    unlessSame(before, now, ({ x }) => x),
    now,
  );
  assert.equal(
    unlessSame(undefined, now, ({ n }) => n),
    now,
  );
  assert.equal(unlessSame(before, [], ({ n }) => n).length, 0);
});
