import assert from "node:assert/strict";
import { test } from "node:test";
import { type Poolable, UpstreamPool } from "./pool.ts";

class Fake implements Poolable {
  disposed = 0;
  unread = false;
  readonly idleSince: number;

  constructor(idleSince = 0) {
    this.idleSince = idleSince;
  }

  dispose(): void {
    this.disposed++;
  }
}

test("the connection used last is taken first", () => {
  const pool = new UpstreamPool<Fake>();
  const [first, second] = [new Fake(), new Fake()];
  pool.put(first);
  pool.put(second);
  assert.equal(pool.take(0), second);
  assert.equal(pool.take(0), first);
  assert.equal(pool.take(0), undefined);
});

test("a connection with something unread is left to its own turn", () => {
  const pool = new UpstreamPool<Fake>();
  const [clean, spoken] = [new Fake(), new Fake()];
  pool.put(clean);
  pool.put(spoken);
  spoken.unread = true;
  assert.equal(pool.take(0), clean);
  assert.equal(pool.take(0), undefined);
  assert.deepEqual([spoken.disposed, pool.idle], [0, 1]);
  assert.equal(pool.remove(spoken), true);
});

test("none that is idle for too long is taken; the oldest makes room for its successor", () => {
  const pool = new UpstreamPool<Fake>();
  const [old, newer] = [new Fake(10), new Fake(20)];
  pool.put(old);
  pool.put(newer);
  assert.equal(pool.take(21), undefined);
  assert.deepEqual([old.disposed, newer.disposed, pool.idle], [1, 0, 1]);
  assert.equal(pool.take(20), newer);
});

test("a retired pool ends what is idle and keeps nothing until it is revived", () => {
  const pool = new UpstreamPool<Fake>();
  const [idle, late, kept] = [new Fake(), new Fake(), new Fake()];
  pool.put(idle);
  pool.retire();
  pool.put(late);
  assert.deepEqual([idle.disposed, late.disposed, pool.idle], [1, 1, 0]);
  pool.revive();
  pool.put(kept);
  assert.deepEqual([kept.disposed, pool.idle], [0, 1]);
});

test("a connection that ended while idle is forgotten, once", () => {
  const pool = new UpstreamPool<Fake>();
  const fake = new Fake();
  pool.put(fake);
  assert.equal(pool.remove(fake), true);
  assert.equal(pool.remove(fake), false);
  assert.equal(pool.take(0), undefined);
});

test("no more than 256 idle connections are kept", () => {
  const pool = new UpstreamPool<Fake>();
  const all = Array.from({ length: 300 }, () => new Fake());
  for (const fake of all) pool.put(fake);
  assert.equal(pool.idle, 256);
  assert.equal(all.filter((fake) => fake.disposed === 1).length, 44);
});

test("connections idle for too long end, the others stay", () => {
  const pool = new UpstreamPool<Fake>();
  const all = [new Fake(10), new Fake(20), new Fake(30)];
  for (const fake of all) pool.put(fake);
  pool.expire(25);
  assert.deepEqual(
    all.map((fake) => fake.disposed),
    [1, 1, 0],
  );
  assert.equal(pool.idle, 1);
});
