/** What a channel that ends does for a peer that reads slowly, by a clock that the tests push on. */

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { assertNoNewDescriptors, openDescriptors } from "../../test/support/descriptors.ts";
import { FaultySystem } from "../../test/support/faulty-system.ts";
import { LoopLab, Recorder } from "../../test/support/loop-lab.ts";
import { SO_RCVBUF, SOL_SOCKET } from "../kernel/socket-constants.ts";
import { Sockets } from "../kernel/sockets.ts";
import type { Channel } from "./channel.ts";
import { connect } from "./connect.ts";
import { CLOSE_STALL_MS, LINGER_MS } from "./delivery.ts";
import { relay } from "./relay.ts";

/** Far more than the peer's receive buffer takes, and less than the channel's send buffer does. */
const ANSWER: Buffer = Buffer.alloc(1_500_000, "0123456789abcdef");

/** A channel, and its peer: a bare socket that reads when the test says so. */
class Slow {
  readonly lab: LoopLab;
  readonly system: FaultySystem = new FaultySystem();
  readonly at: Recorder = new Recorder();
  readonly fd: number;
  received: number = 0;
  ended: boolean = false;
  #channel: Channel | undefined;
  #skewMs = 0;
  readonly #sockets = new Sockets();
  readonly #into = new Uint8Array(65_536);

  constructor(t: TestContext) {
    const real = performance.now.bind(performance);
    t.mock.method(performance, "now", () => real() + this.#skewMs);
    this.lab = new LoopLab(this.system);
    const to = this.lab.serve(({ channel }) => {
      channel.handler = this.at;
      this.#channel = channel;
    });
    this.fd = this.#sockets.socket(to.ip, -1);
    this.#sockets.setOption(this.fd, SOL_SOCKET, SO_RCVBUF, 131_072);
    this.#sockets.connect(this.fd, to);
    this.lab.until(() => this.#channel !== undefined, "accepted");
  }

  get channel(): Channel {
    assert.ok(this.#channel !== undefined);
    return this.#channel;
  }

  /** Lets time pass, and the loop see it. */
  pass(milliseconds: number): void {
    this.#skewMs += milliseconds;
    for (let i = 0; i < 3; i++) this.lab.loop.turn(0);
  }

  /** Waits for bytes or the end, and takes a few of what is there. */
  read(): void {
    this.lab.until(() => {
      const n = this.#sockets.read(this.fd, this.#into, 0, this.#into.length);
      this.received += Math.max(0, n);
      this.ended = n === 0;
      return n >= 0;
    }, "bytes or the end");
  }

  /** The peer's FIN. */
  end(): void {
    this.#sockets.shutdown(this.fd);
    this.lab.until(() => this.at.log.includes("end"), "FIN came");
  }

  /** The peer's RST. */
  reset(): void {
    this.#sockets.lingerZero(this.fd);
    this.#sockets.close(this.fd);
  }
}

function withSlow(t: TestContext, work: (slow: Slow) => void): void {
  const before = openDescriptors();
  const slow = new Slow(t);
  work(slow);
  slow.lab.end();
  assertNoNewDescriptors(before);
}

/** Reads everything, slowly, while the channel is not over. */
function readSlowly(slow: Slow): void {
  for (let left = ANSWER.length; left > 0; left = ANSWER.length - slow.received) {
    slow.pass(LINGER_MS + 10);
    // What the peer's kernel has acknowledged is delivered, whether it was read or not.
    if (left > ANSWER.length / 2) assert.equal(slow.channel.closed, false);
    slow.read();
    assert.equal(slow.ended && slow.received < ANSWER.length, false, "cut");
  }
}

test("a closed channel is over when its peer has everything, however slowly it reads", (t) => {
  withSlow(t, (slow) => {
    slow.channel.write(ANSWER, 0, ANSWER.length);
    assert.equal(slow.channel.queuedBytes, 0, "the kernel must hold it all");
    slow.channel.close();
    readSlowly(slow);
    slow.lab.until(() => slow.at.cause !== undefined, "over");
    assert.deepEqual(slow.at.cause, { kind: "closed" });
    slow.reset();
  });
});

test("a channel whose peer half-closed first is over when its peer has everything", (t) => {
  withSlow(t, (slow) => {
    slow.channel.write(ANSWER, 0, ANSWER.length);
    slow.end();
    slow.channel.shutdown();
    readSlowly(slow);
    slow.lab.until(() => slow.at.cause !== undefined, "over");
    assert.deepEqual(slow.at.cause, { kind: "closed" });
    slow.reset();
  });
});

test("a channel that half-closed first is over when its peer has everything", (t) => {
  withSlow(t, (slow) => {
    slow.channel.write(ANSWER, 0, ANSWER.length);
    slow.channel.shutdown();
    slow.end();
    readSlowly(slow);
    slow.lab.until(() => slow.at.cause !== undefined, "over");
    assert.deepEqual(slow.at.cause, { kind: "closed" });
    slow.reset();
  });
});

test("a queue is not cut while the peer takes a little from time to time", (t) => {
  withSlow(t, (slow) => {
    const much = Buffer.alloc(12_000_000);
    slow.channel.write(much, 0, much.length);
    assert.ok(slow.channel.queuedBytes > 0, "the kernel must not hold it all");
    slow.channel.close();
    for (let i = 0; i < 20; i++) {
      slow.pass(CLOSE_STALL_MS / 4);
      slow.read();
      assert.equal(slow.ended, false);
    }
    assert.deepEqual([slow.channel.closed, slow.at.cause], [false, undefined]);
    slow.reset();
  });
});

test("a peer that takes nothing for too long is left to the kernel", (t) => {
  withSlow(t, (slow) => {
    slow.channel.write(ANSWER, 0, ANSWER.length);
    slow.channel.close();
    slow.pass(LINGER_MS + 10);
    slow.pass(CLOSE_STALL_MS - 10);
    assert.equal(slow.at.cause, undefined);
    slow.pass(CLOSE_STALL_MS);
    assert.deepEqual(slow.at.cause, { kind: "closed" });
    // What the kernel has is still delivered: nothing was reset.
    while (slow.received < ANSWER.length) slow.read();
    slow.reset();
  });
});

test("a reset by a peer that does not have everything ends the channel at once", (t) => {
  withSlow(t, (slow) => {
    slow.channel.write(ANSWER, 0, ANSWER.length);
    slow.end();
    slow.channel.shutdown();
    slow.reset();
    slow.lab.until(() => slow.at.cause !== undefined, "over");
    assert.deepEqual(slow.at.cause, { kind: "reset" });
  });
});

test("a relay that only has bytes left to deliver is not idle", (t) => {
  withSlow(t, (slow) => {
    const ends: string[] = [];
    const atServer = new Recorder({
      onEnd: (channel) => {
        channel.write(ANSWER, 0, ANSWER.length);
        channel.shutdown();
      },
    });
    const to = slow.lab.serve(({ channel }) => {
      channel.handler = atServer;
    });
    const right = connect(slow.lab.loop, { to, owner: slow.lab.owner, timeoutMs: 1_000 }, slow.at);
    relay(
      slow.lab.loop,
      { left: slow.channel, right, idleTimeoutMs: LINGER_MS },
      { onRelayEnd: (_relay, { side }) => ends.push(side) },
    );
    new Sockets().shutdown(slow.fd);
    slow.lab.until(() => atServer.cause !== undefined, "the server is through");
    readSlowly(slow);
    slow.lab.until(() => ends.length > 0, "over");
    assert.deepEqual(ends, ["right"]);
    slow.reset();
  });
});

test("an ordinary connection costs one question about what is unsent", (t) => {
  withSlow(t, (slow) => {
    slow.system.arm(undefined);
    slow.channel.write(ANSWER, 0, 5);
    slow.channel.close();
    while (!slow.ended) slow.read();
    new Sockets().close(slow.fd);
    slow.lab.until(() => slow.at.cause !== undefined, "over");
    assert.equal(slow.system.count("unsentBytes"), 1);
  });
});
