/** Every kind of map on the running kernel, through the handles that bpf-types generated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { objectMaps } from "../../test/fixtures/kinds.gen.ts";
import { fixture, PinLab } from "../../test/lab.ts";
import { parse } from "../core/parse.ts";
import { load } from "../load/load.ts";
import { u64 } from "./codecs.ts";
import { possibleCpus } from "./cpus.ts";
import { hashMap } from "./hash-map.ts";

const pins = new PinLab();
const spec = parse(fixture("kinds"));
const loaded = load(spec, { pinDirectory: pins.path, programs: ["connect4", "refuse4"] });
const maps = objectMaps(loaded);

test.after(() => {
  loaded[Symbol.dispose]();
  pins[Symbol.dispose]();
});

test("hash: modes, take, delete", () => {
  const { table } = maps;
  assert.equal(table.set(1, 10n, "update"), false);
  assert.equal(table.set(1, 10n, "create"), true);
  assert.equal(table.set(1, 11n, "create"), false);
  assert.equal(table.get(1), 10n);
  assert.equal(table.take(1), 10n);
  assert.equal(table.delete(1), false);
});

test("batches: written, read and deleted, missing keys skipped", () => {
  const { table } = maps;
  const entries = Array.from({ length: 3000 }, (_, i): [number, bigint] => [i, BigInt(i) * 3n]);
  table.setMany(entries);
  const read = table.readAll().sort(([a], [b]) => a - b);
  assert.deepEqual(read, entries);
  const doomed = [5000, 0, 1, 6000, 7000, ...entries.slice(2, 2500).map(([key]) => key), 8000];
  assert.equal(table.deleteMany(doomed), 2500);
  assert.equal(table.readAll().length, 500);
  table.clear();
  assert.deepEqual([...table.keys()], []);
});

test("a walk among deletes repeats nothing and misses nothing that stays", () => {
  const { table } = maps;
  table.setMany(Array.from({ length: 1000 }, (_, i): [number, bigint] => [i, 1n]));
  const seen = new Set<number>();
  for (const key of table.keys()) {
    assert.ok(!seen.has(key), `key ${key} came twice`);
    seen.add(key);
    // Deletes the key the walk stands at: the kernel then starts over.
    if (key % 10 !== 0) table.delete(key);
  }
  for (let key = 0; key < 1000; key += 10) assert.ok(seen.has(key), `key ${key} was missed`);
  table.clear();
});

test("LRU: the oldest makes place", () => {
  const { recent } = maps;
  for (let i = 0; i < 500; i++) assert.ok(recent.set(i, 1n));
  const left = [...recent.keys()];
  assert.ok(left.length > 0 && left.length <= 64, `${left.length} entries`);
});

test("array: indexes, memory map", () => {
  const { slots } = maps;
  slots.set(2, 5n);
  using memory = slots.mapped();
  assert.equal(memory.get(2), 5n);
  memory.set(3, 6n);
  assert.equal(slots.get(3), 6n);
  assert.throws(() => slots.get(4), /no index 4: it has 4/);
});

test("per CPU: one value for each", () => {
  const values = Array.from({ length: possibleCpus() }, (_, cpu) => BigInt(cpu + 1));
  maps.per_cpu.set(1, values);
  assert.deepEqual(maps.per_cpu.get(1), values);
  maps.per_cpu_table.set(9, values.map(Number));
  assert.deepEqual([...maps.per_cpu_table.entries()], [[9, values.map(Number)]]);
  assert.equal(maps.per_cpu_table.delete(9), true);
  assert.equal(maps.per_cpu_table.get(9), undefined);
});

test("LPM: the longest prefix wins", () => {
  const { routes } = maps;
  const key = (bits: number, ...address: number[]) => ({ bits, address: Uint8Array.from(address) });
  routes.set(key(8, 10, 0, 0, 0), 8);
  routes.set(key(24, 10, 1, 2, 0), 24);
  assert.equal(routes.get(key(32, 10, 1, 2, 3)), 24);
  assert.equal(routes.get(key(32, 10, 9, 9, 9)), 8);
  assert.equal(routes.get(key(32, 11, 0, 0, 1)), undefined);
  assert.equal(routes.readAll().length, 2);
  assert.equal(routes.deleteMany([key(8, 10, 0, 0, 0), key(9, 10, 0, 0, 0)]), 1);
});

test("queue: first in, first out; a full one refuses or forgets", () => {
  const { queue } = maps;
  assert.deepEqual([queue.push(1), queue.push(2), queue.push(3)], [true, true, false]);
  assert.equal(queue.push(3, true), true);
  assert.equal(queue.peek(), 2);
  assert.deepEqual([queue.pop(), queue.pop(), queue.pop()], [2, 3, undefined]);
});

test("stack: last in, first out", () => {
  maps.stack.push(1);
  maps.stack.push(2);
  assert.deepEqual([maps.stack.pop(), maps.stack.pop(), maps.stack.pop()], [2, 1, undefined]);
});

test("maps of maps and program arrays hold what the object and we put in", () => {
  assert.equal(maps.outer.id(1), maps.inner_map.map.id);
  assert.equal(maps.outer.id(0), undefined);
  maps.outer.set(0, maps.inner_map.map);
  assert.equal(maps.outer.id(0), maps.inner_map.map.id);
  maps.jumps.set(2, loaded.program("connect4"));
  assert.equal(maps.jumps.id(2), loaded.program("connect4").id);
  assert.equal(maps.jumps.delete(2), true);
});

test("a codec of another size is refused", () => {
  assert.throws(
    () => hashMap(loaded.map("table"), u64, u64),
    /map "table" has a key of 4 bytes, its codec has 8/,
  );
  assert.throws(() => hashMap(loaded.map("slots"), u64, u64), /is no hash map/);
});
