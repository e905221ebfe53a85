import assert from "node:assert/strict";
import { test } from "node:test";
import { assertNoNewDescriptors, openDescriptors } from "../../test/support/descriptors.ts";
import { echo, LoopLab, Recorder } from "../../test/support/loop-lab.ts";
import { addressOf, libc } from "../kernel/ffi.ts";
import { SO_RCVBUF, SO_SNDBUF, SOL_SOCKET } from "../kernel/socket-constants.ts";
import { Sockets } from "../kernel/sockets.ts";
import type { Channel, CloseCause } from "./channel.ts";
import { TICK_MS, Timer } from "./timers.ts";

const HELLO = Buffer.from("hello");

/** One connection in one loop: both ends are channels with recorders. */
function pair(
  lab: LoopLab,
  act: { client?: ConstructorParameters<typeof Recorder>[0]; server?: typeof act.client } = {},
): { client: Channel; server: Channel; atClient: Recorder; atServer: Recorder } {
  const atServer = new Recorder(act.server);
  const atClient = new Recorder(act.client);
  let server: Channel | undefined;
  const at = lab.serve(({ channel }) => {
    channel.handler = atServer;
    server = channel;
  });
  const client = lab.dial(at, atClient);
  lab.until(() => server !== undefined && client.open, "connected");
  assert.ok(server !== undefined);
  return { client, server, atClient, atServer };
}

function withLab(work: (lab: LoopLab) => void, limits: { memoryLimitBytes?: number } = {}): void {
  const before = openDescriptors();
  const lab = new LoopLab(new Sockets(), limits);
  work(lab);
  lab.end();
  assertNoNewDescriptors(before);
}

test("a half-close lets the other direction go on", () => {
  withLab((lab) => {
    const { client, server, atClient, atServer } = pair(lab);
    client.shutdown();
    lab.until(() => atServer.log.includes("end"), "server sees FIN");
    assert.equal(server.write(HELLO, 0, 5), true);
    lab.until(() => atClient.bytes.length === 5, "client reads after its own FIN");
    server.shutdown();
    lab.until(() => atClient.cause !== undefined && atServer.cause !== undefined, "both closed");
    assert.deepEqual(atClient.log, ["open", "end", "closed"]);
    assert.deepEqual(atServer.log, ["end", "closed"]);
  });
});

test("a channel that half-closed may be closed from its onEnd", () => {
  withLab((lab) => {
    const { client, server, atClient, atServer } = pair(lab, {
      client: { onEnd: (channel) => channel.close() },
    });
    client.shutdown();
    lab.until(() => atServer.log.includes("end"), "server sees FIN");
    server.shutdown();
    lab.until(() => atClient.cause !== undefined && atServer.cause !== undefined, "both closed");
    assert.deepEqual(
      [atClient.log, atServer.log],
      [
        ["open", "end", "closed"],
        ["end", "closed"],
      ],
    );
  });
});

test("a reset is told as a reset, after the data that came before it", () => {
  withLab((lab) => {
    const { client, atServer } = pair(lab);
    client.write(HELLO, 0, 5);
    client.resetWhenSent();
    lab.until(() => atServer.cause !== undefined, "server sees the reset");
    assert.equal(atServer.bytes.toString(), "hello");
    assert.deepEqual(atServer.log, ["reset"]);
  });
});

test("a reset after the peer's FIN is told as a reset", () => {
  withLab((lab) => {
    const { client, server, atServer } = pair(lab);
    client.shutdown();
    lab.until(() => atServer.log.includes("end"), "server sees FIN");
    client.reset();
    lab.until(() => {
      server.write(HELLO, 0, 5);
      return atServer.cause !== undefined;
    }, "server sees the reset");
    assert.deepEqual(atServer.log, ["end", "reset"]);
  });
});

test("a paused channel keeps data, FIN and a reset behind data until it resumes", () => {
  withLab((lab) => {
    const { client, server, atServer } = pair(lab);
    server.pause();
    client.write(HELLO, 0, 5);
    client.resetWhenSent();
    lab.until(() => client.closed, "client is gone");
    lab.loop.turn(20);
    assert.deepEqual([atServer.bytes.length, atServer.log], [0, []]);
    server.resume();
    lab.until(() => atServer.cause !== undefined, "server sees the reset");
    assert.equal(atServer.bytes.toString(), "hello");
    assert.deepEqual(atServer.log, ["reset"]);
  });
});

test("a paused channel with nothing to read learns of a reset at once", () => {
  withLab((lab) => {
    const { client, server, atServer } = pair(lab);
    server.pause();
    client.reset();
    lab.until(() => atServer.cause !== undefined, "server sees the reset");
    assert.deepEqual(atServer.log, ["reset"]);
  });
});

test("close() delivers a large queue to a slow reader before it ends", () => {
  withLab((lab) => {
    const { client, server, atClient, atServer } = pair(lab);
    const big = Buffer.alloc(8_000_000, "0123456789abcde");
    server.pause();
    assert.equal(client.write(big, 0, big.length), false);
    client.close();
    client.close();
    lab.loop.turn(10);
    server.resume();
    lab.until(() => atServer.log.includes("end"), "server read everything");
    assert.ok(atServer.bytes.equals(big));
    server.close();
    lab.until(() => atClient.cause !== undefined && atServer.cause !== undefined, "both closed");
    assert.deepEqual([atClient.cause?.kind, atServer.cause?.kind], ["closed", "closed"]);
  });
});

test("close() while the peer is still sending does not cut what we sent by a reset", () => {
  withLab((lab) => {
    const { client, server, atClient } = pair(lab);
    client.write(Buffer.alloc(2_000_000), 0, 2_000_000);
    server.write(HELLO, 0, 5);
    server.close();
    lab.until(() => atClient.log.includes("end"), "client sees the answer and FIN");
    assert.equal(atClient.bytes.toString(), "hello");
    client.close();
    lab.until(() => atClient.cause !== undefined, "closed");
    assert.equal(atClient.cause?.kind, "closed");
  });
});

test("a reader that stalls stops the sender; memory stays at one queue and the bytes arrive later", () => {
  withLab((lab) => {
    const { client, server, atServer } = pair(lab);
    server.pause();
    let peak = 0;
    while (client.write(Buffer.alloc(65_536, 7), 0, 65_536)) lab.loop.turn(0);
    for (let i = 0; i < 50; i++) {
      lab.loop.turn(1);
      peak = Math.max(peak, lab.loop.chunks.usedBytes);
    }
    assert.ok(peak <= 5 * 16_384, `queued at most one write in whole chunks: ${peak}`);
    const sent = client.bytesOut + client.queuedBytes;
    server.resume();
    lab.until(() => atServer.bytes.length === sent, "all arrived");
    client.reset();
  });
});

test("bytes queued beyond the worker's limit end the channel with cause memory-limit", () => {
  withLab(
    (lab) => {
      const { client, server, atClient, atServer } = pair(lab);
      server.pause();
      const chunk = Buffer.alloc(65_536);
      while (!client.closed) client.write(chunk, 0, chunk.length);
      server.resume();
      lab.until(() => atClient.cause !== undefined && atServer.cause !== undefined, "both told");
      assert.equal(atClient.cause?.kind, "memory-limit");
      assert.equal(atServer.cause?.kind, "reset");
      assert.equal(lab.loop.chunks.usedBytes, 0);
    },
    { memoryLimitBytes: 256 * 1024 },
  );
});

test("write2 keeps the order of its pieces wherever the kernel stops taking them", () => {
  withLab((lab) => {
    const { client, server, atServer } = pair(lab);
    server.pause();
    let expected = 0;
    const parts: Buffer[] = [];
    for (let i = 0; i < 200; i++) {
      const head = Buffer.from(`head ${i};`);
      const body = Buffer.alloc(40_009, `body ${i};`);
      client.write2(head, 0, head.length, body, 1, body.length);
      parts.push(head, body.subarray(1));
      expected += head.length + body.length - 1;
    }
    server.resume();
    lab.until(() => atServer.bytes.length >= expected, "all arrived");
    assert.ok(atServer.bytes.equals(Buffer.concat(parts)));
    client.reset();
  });
});

test("urgent bytes stay in the stream and do not stall it", () => {
  withLab((lab) => {
    const atServer = new Recorder({ onEnd: (channel) => channel.close() });
    const at = lab.serve(({ channel }) => {
      channel.handler = atServer;
    });
    const sockets = new Sockets();
    const fd = sockets.socket("127.0.0.1", -1);
    sockets.connect(fd, at);
    const text = Buffer.from("ab!cd");
    const bytes = addressOf(text);
    lab.until(() => lab.owner.channels === 1, "accepted");
    libc.send(fd, bytes, 2, 0);
    libc.send(fd, bytes + 2, 1, 1);
    libc.send(fd, bytes + 3, 2, 0);
    lab.until(() => atServer.bytes.length === 5, "all five bytes");
    assert.equal(atServer.bytes.toString(), "ab!cd");
    sockets.close(fd);
    lab.until(() => atServer.log.includes("end"), "FIN");
  });
});

test("a handler that throws loses its channel, is told once, and nobody else suffers", () => {
  withLab((lab) => {
    const bugs: unknown[] = [];
    lab.loop.onBug = (error) => bugs.push(error);
    const thrower = new Recorder({
      onData: () => {
        throw new Error("bug");
      },
    });
    const bad = lab.serve(({ channel }) => {
      channel.handler = thrower;
    });
    const good = lab.serve(({ channel }) => {
      channel.handler = echo;
    });
    const atBad = new Recorder();
    const atGood = new Recorder();
    const toBad = lab.dial(bad, atBad);
    const toGood = lab.dial(good, atGood);
    toBad.write(HELLO, 0, 5);
    toGood.write(HELLO, 0, 5);
    lab.until(() => atBad.cause !== undefined && atGood.bytes.length === 5, "both outcomes");
    assert.equal(String(bugs[0]), "Error: bug");
    assert.deepEqual(thrower.cause, { kind: "failed", errno: "handler-threw" });
    assert.equal(atBad.cause?.kind, "reset");
    toGood.reset();
  });
});

test("what is written before the connection is up is sent once it is", () => {
  withLab((lab) => {
    const at = lab.serve(({ channel }) => {
      channel.handler = echo;
    });
    const recorder = new Recorder();
    const channel = lab.dial(at, recorder);
    assert.equal(channel.write(HELLO, 0, 5), false);
    channel.shutdown();
    lab.until(() => recorder.cause !== undefined, "echoed and closed");
    assert.equal(recorder.bytes.toString(), "hello");
    assert.deepEqual(recorder.log, ["open", "drain", "end", "closed"]);
  });
});

test("onClose never comes from inside the call that caused it", () => {
  withLab((lab) => {
    const causes: CloseCause[] = [];
    const { client } = pair(lab, { client: { onClose: (_c, cause) => causes.push(cause) } });
    client.reset();
    assert.deepEqual(causes, []);
    assert.equal(client.closed, true);
    assert.equal(client.write(HELLO, 0, 5), true);
    lab.until(() => causes.length > 0, "told");
    assert.deepEqual(causes, [{ kind: "closed" }]);
  });
});

test("what came from the peer is known as unread before its turn, and no more after it", () => {
  withLab((lab) => {
    const { client, server, atServer } = pair(lab);
    assert.equal(server.unread, false);
    let seen: boolean | undefined;
    // Timers fire after events were noted and before anything is read: as another channel's turn does.
    const timer = new Timer({
      onTimer: () => {
        seen = server.unread;
      },
    });
    lab.loop.arm(timer, 0);
    const fires = performance.now() + 2 * TICK_MS;
    client.write(HELLO, 0, 5);
    while (performance.now() < fires);
    lab.loop.turn(0);
    assert.equal(seen, true);
    lab.until(() => atServer.bytes.length === 5, "read");
    assert.equal(server.unread, false);
    client.reset();
    server.reset();
  });
});

/** Sockets whose kernel buffers hold next to nothing. */
class TinyBuffers extends Sockets {
  override accept(fd: number): number {
    return this.#shrink(super.accept(fd));
  }

  override socket(ip: string, netns: number): number {
    return this.#shrink(super.socket(ip, netns));
  }

  #shrink(fd: number): number {
    if (fd < 0) return fd;
    this.setOption(fd, SOL_SOCKET, SO_RCVBUF, 1);
    this.setOption(fd, SOL_SOCKET, SO_SNDBUF, 1);
    return fd;
  }
}

test("with tiny kernel buffers every byte still arrives in order", () => {
  const lab = new LoopLab(new TinyBuffers());
  const at = lab.serve(({ channel }) => {
    channel.handler = echo;
  });
  const sent = Buffer.alloc(100_000);
  for (let i = 0; i < sent.length; i++) sent[i] = (i * 7) >> 3;
  const recorder = new Recorder({
    onOpen: (channel) => {
      channel.write(sent, 0, sent.length);
      channel.shutdown();
    },
  });
  lab.dial(at, recorder);
  lab.until(() => recorder.cause !== undefined, "closed", 20_000);
  assert.ok(recorder.bytes.equals(sent));
  lab.end();
});
