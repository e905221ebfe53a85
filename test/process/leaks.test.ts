/** 100,000 relayed connections, ended in every way, must leave neither descriptors nor memory behind. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Channel, ChannelHandler } from "../../agent/engine/channel.ts";
import { connect } from "../../agent/engine/connect.ts";
import { relay } from "../../agent/engine/relay.ts";
import { assertNoNewDescriptors, openDescriptors } from "../support/descriptors.ts";
import { echo, LoopLab } from "../support/loop-lab.ts";

const CONNECTIONS = 100_000;
/** After this many, caches and pools have their size. */
const WARM_UP = 20_000;
const AT_ONCE = 64;
const MESSAGE = Buffer.from("some bytes of a request");
/** What 80,000 more connections may add; a leak of 100 bytes each would be 8 MB. */
const ALLOWED_GROWTH_BYTES = 2_000_000;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/**
 * Live bytes of JavaScript, and resident bytes of all else. The heap's reserve is left out: V8 sizes its
 * young generation as it likes (seen to add 8 MB at once with a constant live heap).
 */
function memory(): { live: number; native: number } {
  collectGarbage();
  collectGarbage();
  const { rss, heapTotal, heapUsed, arrayBuffers } = process.memoryUsage();
  return { live: heapUsed + arrayBuffers, native: rss - heapTotal };
}

/** How the client ends its connection once it has the echo. */
const ENDINGS: readonly ((channel: Channel) => void)[] = [
  (channel) => channel.shutdown(),
  (channel) => channel.close(),
  (channel) => channel.reset(),
  (channel) => channel.resetWhenSent(),
];

/** Keeps AT_ONCE clients going until CONNECTIONS have ended. */
class Clients implements ChannelHandler {
  started = 0;
  ended = 0;
  readonly #dial: (index: number) => void;

  constructor(dial: (index: number) => void) {
    this.#dial = dial;
  }

  next(): void {
    if (this.started < CONNECTIONS) this.#dial(this.started++);
  }

  onOpen(channel: Channel): void {
    channel.write(MESSAGE, 0, MESSAGE.length);
  }

  onData(channel: Channel): void {
    ENDINGS[this.ended % ENDINGS.length]?.(channel);
  }

  onEnd(channel: Channel): void {
    channel.close();
  }

  onDrain(): void {
    // Messages are tiny.
  }

  onClose(): void {
    this.ended++;
    this.next();
  }
}

test("100,000 connections leave no descriptor and no memory behind", () => {
  const before = openDescriptors();
  const lab = new LoopLab();
  // Several addresses of loopback, so that ports in TIME_WAIT never run out.
  const address = (index: number) => `127.0.${(index >> 8) & 7}.${index & 0xff || 1}`;
  let relays = 0;
  const server = lab.serve(({ channel }) => {
    channel.handler = echo;
  }, "0.0.0.0");
  const proxy = lab.serve(({ channel: left }) => {
    const to = { ip: address(relays++), port: server.port };
    const right = connect(lab.loop, { to, owner: lab.owner, timeoutMs: 5000 }, left.handler);
    relay(lab.loop, { left, right, idleTimeoutMs: 5000 }, { onRelayEnd: () => undefined });
  }, "0.0.0.0");
  const clients = new Clients((index) => {
    lab.dial({ ip: address(index), port: proxy.port }, clients);
  });
  for (let i = 0; i < AT_ONCE; i++) clients.next();

  lab.until(() => clients.ended >= WARM_UP, "warm-up", 60_000);
  const warm = memory();
  lab.until(() => clients.ended === CONNECTIONS, "all ended", 120_000);
  lab.until(() => lab.owner.channels === 0, "all channels closed");
  const end = memory();
  for (const kind of ["live", "native"] as const) {
    const growth = end[kind] - warm[kind];
    assert.ok(growth < ALLOWED_GROWTH_BYTES, `${kind} memory grew by ${growth} bytes`);
  }
  assert.deepEqual(lab.acceptErrors, []);
  lab.end();
  assertNoNewDescriptors(before);
});
