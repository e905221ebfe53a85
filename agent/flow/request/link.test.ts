import assert from "node:assert/strict";
import { test } from "node:test";
import type { Channel } from "../../engine/channel.ts";
import { METHOD } from "../../http/h1/codes.ts";
import type { RequestHead } from "../../http/message.ts";
import { HeadPool } from "../../transport/head-pool.ts";
import { HeadSlots } from "../../transport/head-slots.ts";
import { Http1Upstream } from "../../transport/http1.ts";
import { UpstreamPool } from "../../transport/pool.ts";
import { liveEndpoint } from "../balance/live-endpoint.ts";
import type { Plan } from "../plan.ts";
import type { Lease } from "./lease.ts";
import { Link, type LinkMode } from "./link.ts";

const ENDPOINT = liveEndpoint({ address: "10.0.0.1", port: 80, state: "ready" }, 0);
const GET = { method: METHOD.get, hasContent: false, upgrade: false } as RequestHead;

/** A link with a connection over which a request was carried, and which its server ends in this turn of the loop. */
function endedUnderneath(mode: LinkMode) {
  const channel = { closed: false, resume: () => undefined, close: () => undefined };
  const timers = { arm: () => undefined, cancel: () => undefined };
  const pool = new UpstreamPool<Lease>({ timers, now: () => 0, rideMs: 1000 });
  const plan = { nextHop: { kind: "fixed" } } as Plan;
  const owner = { course: { plan }, pool: () => pool, boundEnded: () => undefined };
  const link = new Link(mode, owner);
  const heads = new HeadPool({ maxHeadBytes: 1024, maxFields: 8 });
  const inputs = { heads, slots: new HeadSlots(), scratch: new Uint8Array(1024) };
  const upstream = new Http1Upstream(channel as unknown as Channel, inputs);
  const lease = link.opened(upstream, ENDPOINT, GET);
  link.settle(lease);
  channel.closed = true;
  return { link, lease };
}

test("a bound connection that has ended, and has not told yet, gets no second one beside it", () => {
  const { link, lease } = endedUnderneath("bound");
  assert.equal(link.take(ENDPOINT, GET), lease);
});

test("a shared connection that has ended is not asked over", () => {
  const { link } = endedUnderneath("shared");
  assert.equal(link.take(ENDPOINT, GET), undefined);
});
