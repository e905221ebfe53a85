import assert from "node:assert/strict";
import { test } from "node:test";
import type { Timer } from "../engine/timers.ts";
import { type Poolable, UpstreamPool } from "./pool.ts";

class Fake implements Poolable {
  unread = false;
  closed = false;

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
  assert.equal(pool.take()?.connection, last);
  assert.equal(pool.take()?.connection, first);
  assert.equal(pool.take(), undefined);
});

test("a connection lives a second without its client, however often it is ridden on", () => {
  const { pool, pass } = lab();
  const connection = new Fake();
  pool.share(connection);
  pass(600);
  const ride = pool.take();
  assert.ok(ride !== undefined);
  pool.putBack(ride);
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
  const ride = pool.take();
  assert.ok(ride !== undefined);
  pass(1000);
  pool.putBack(ride);
  assert.equal(connection.closed, true);
});

test("a connection with something unread is left alone", () => {
  const { pool } = lab();
  const [quiet, unread] = [new Fake(), new Fake()];
  pool.share(quiet);
  pool.share(unread);
  unread.unread = true;
  assert.equal(pool.take()?.connection, quiet);
  assert.equal(pool.take(), undefined);
  assert.equal(pool.remove(unread), true);
  assert.equal(pool.remove(unread), false);
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
