import assert from "node:assert/strict";
import { test } from "node:test";
import type { Timer } from "../engine/timers.ts";
import { type Poolable, UpstreamPool } from "./pool.ts";

class Fake implements Poolable {
  unread = false;
  closed = false;
  until = Number.POSITIVE_INFINITY;

  close(): void {
    this.closed = true;
  }
}

/** A pool with a clock that only the test moves. */
function lab() {
  let now = 1000;
  let armed: { readonly timer: Timer; readonly at: number } | undefined;
  const timers = {
    arm: (timer: Timer, delayMs: number): void => {
      armed = { timer, at: now + delayMs };
    },
    cancel: (): void => {
      armed = undefined;
    },
  };
  const pool = new UpstreamPool<Fake>({ timers, now: () => now, rideMs: 1000 });
  const pass = (ms: number): void => {
    now += ms;
    if (armed === undefined || armed.at > now) return;
    const { timer } = armed;
    armed = undefined;
    timer.handler.onTimer(timer);
  };
  return { pool, pass };
}

test("the connection shared last is ridden on first", () => {
  const { pool } = lab();
  const [first, last] = [new Fake(), new Fake()];
  pool.share(first);
  pool.share(last);
  assert.equal(pool.take(), last);
  assert.equal(pool.take(), first);
  assert.equal(pool.take(), undefined);
});

test("a connection lives a second without its client, however often it is ridden on", () => {
  const { pool, pass } = lab();
  const connection = new Fake();
  pool.share(connection);
  pass(600);
  assert.equal(pool.take(), connection);
  pool.share(connection);
  pass(300);
  assert.equal(connection.closed, false);
  pass(100);
  assert.equal(connection.closed, true);
  assert.equal(pool.idle, 0);
});

test("a ride that ends after the second closes the connection", () => {
  const { pool, pass } = lab();
  const connection = new Fake();
  pool.share(connection);
  assert.equal(pool.take(), connection);
  pass(1000);
  pool.share(connection);
  assert.equal(connection.closed, true);
});

test("a connection with something unread is left alone", () => {
  const { pool } = lab();
  const [quiet, unread] = [new Fake(), new Fake()];
  pool.share(quiet);
  pool.share(unread);
  unread.unread = true;
  assert.equal(pool.take(), quiet);
  assert.equal(pool.take(), undefined);
  pool.idleEnded(unread);
  assert.equal(pool.idle, 0);
});

test("at most 256 connections wait; closing idle ones closes all", () => {
  const { pool } = lab();
  const all = Array.from({ length: 257 }, () => new Fake());
  for (const one of all) pool.share(one);
  assert.equal(pool.idle, 256);
  assert.equal(all.at(-1)?.closed, true);
  pool.closeIdle();
  assert.ok(all.every(({ closed }) => closed));
});

/** A pool that has seen its server let a connection wait. */
function lasting(): ReturnType<typeof lab> {
  const made = lab();
  made.pool.reserve({}, new Fake());
  made.pass(1000);
  return made;
}

test("what is reserved for a client is nobody else's, and is closed when the client does not come back", () => {
  const { pool, pass } = lasting();
  const [anna, bert] = [{}, {}];
  const [hers, his] = [new Fake(), new Fake()];
  pool.reserve(anna, hers);
  pool.reserve(bert, his);
  assert.equal(pool.take(), undefined);
  assert.equal(pool.takeReserved(anna), hers);
  assert.equal(pool.takeReserved(anna), undefined);
  pool.reserve(anna, hers);
  pool.closeReserved(anna);
  assert.equal(hers.closed, true);
  assert.equal(pool.idle, 1);
  pass(1000);
  assert.equal(his.closed, true);
  assert.equal(pool.idle, 0);
});

test("until a connection has waited for its whole time, one waits and none is used again", () => {
  const { pool, pass } = lab();
  const [anna, bert] = [{}, {}];
  const [first, second, third] = [new Fake(), new Fake(), new Fake()];
  pool.reserve(anna, first);
  pool.reserve(bert, second);
  assert.deepEqual([first.closed, second.closed], [false, true]);
  assert.equal(pool.takeReserved(anna), undefined);
  pool.closeReserved(anna);
  third.until = 2000;
  pool.reserve(anna, third);
  assert.equal(third.closed, true, "it would not wait for the whole time");
  pool.reserve(anna, new Fake());
  pass(1000);
  const last = new Fake();
  pool.reserve(anna, last);
  assert.equal(pool.takeReserved(anna), last);
});

test("a server that ends a waiting connection is on trial again", () => {
  for (const end of ["reserve", "share"] as const) {
    const { pool } = lasting();
    const [anna, bert] = [{}, {}];
    const ended = new Fake();
    pool.reserve(anna, new Fake());
    if (end === "reserve") pool.reserve(bert, ended);
    else pool.share(ended);
    pool.idleEnded(ended);
    assert.equal(pool.takeReserved(anna), undefined);
  }
});

test("what is reserved is not used when it has something unread, and forgotten when it ends", () => {
  const { pool } = lasting();
  const anna = {};
  const hers = new Fake();
  pool.reserve(anna, hers);
  hers.unread = true;
  assert.equal(pool.takeReserved(anna), undefined);
  pool.idleEnded(hers);
  hers.unread = false;
  assert.equal(pool.takeReserved(anna), undefined);
  assert.equal(pool.idle, 0);
});

test("each connection is closed when its own time is over, though a younger one waits already", () => {
  const { pool, pass } = lab();
  const [oldest, old, young] = [new Fake(), new Fake(), new Fake()];
  pool.share(oldest);
  pass(500);
  pool.share(old);
  assert.equal(pool.take(), old);
  pass(500);
  assert.equal(oldest.closed, true);
  pool.share(young);
  pool.share(old);
  pass(500);
  assert.deepEqual([old.closed, young.closed], [true, false]);
  pass(500);
  assert.equal(young.closed, true);
});
