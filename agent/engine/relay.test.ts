import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { assertNoNewDescriptors, openDescriptors } from "../../test/support/descriptors.ts";
import { LoopLab, Recorder } from "../../test/support/loop-lab.ts";
import { Sockets } from "../kernel/sockets.ts";
import type { Channel } from "./channel.ts";
import { connect } from "./connect.ts";
import type { Relay, RelayEnd } from "./relay.ts";
import { relay } from "./relay.ts";
import type { System } from "./system.ts";

/** client — left [relay] right — server, all in one loop. */
interface Line {
  readonly lab: LoopLab;
  readonly client: Channel;
  readonly atClient: Recorder;
  readonly server: Channel;
  readonly atServer: Recorder;
  readonly tie: Relay;
  readonly ends: RelayEnd[];
}

function withLine(
  work: (line: Line) => void,
  idleTimeoutMs: number = 0,
  system: System = new Sockets(),
): void {
  const before = openDescriptors();
  const lab = new LoopLab(system);
  const atServer = new Recorder();
  const atClient = new Recorder();
  const ends: RelayEnd[] = [];
  let server: Channel | undefined;
  let tie: Relay | undefined;
  const serverAt = lab.serve(({ channel }) => {
    channel.handler = atServer;
    server = channel;
  });
  const proxyAt = lab.serve(({ channel: left }) => {
    const right = connect(
      lab.loop,
      { to: serverAt, owner: lab.owner, timeoutMs: 500 },
      left.handler,
    );
    const onRelayEnd = (_relay: Relay, end: RelayEnd) => ends.push(end);
    tie = relay(lab.loop, { left, right, idleTimeoutMs }, { onRelayEnd });
  });
  const client = lab.dial(proxyAt, atClient);
  lab.until(() => server !== undefined && tie !== undefined, "the line stands");
  assert.ok(server !== undefined && tie !== undefined);
  work({ lab, client, atClient, server, atServer, tie, ends });
  lab.end();
  assertNoNewDescriptors(before);
}

const TEXT = Buffer.from("some bytes");

test("half-closes cross one by one and the relay ends in order", () => {
  withLine(({ lab, client, atClient, server, atServer, ends }) => {
    client.write(TEXT, 0, 10);
    client.shutdown();
    lab.until(() => atServer.log.includes("end"), "FIN crosses to the server");
    assert.equal(atServer.bytes.toString(), "some bytes");
    assert.equal(atClient.log.includes("end"), false);
    server.write(TEXT, 0, 10);
    server.shutdown();
    lab.until(() => ends.length > 0 && atClient.cause !== undefined, "FIN crosses back");
    assert.equal(atClient.bytes.toString(), "some bytes");
    assert.deepEqual([atClient.cause, atServer.cause], [{ kind: "closed" }, { kind: "closed" }]);
    assert.equal(ends[0]?.cause.kind, "closed");
  });
});

test("a reset crosses from client to server", () => {
  withLine(({ lab, client, atServer, ends }) => {
    client.reset();
    lab.until(() => atServer.cause !== undefined && ends.length > 0, "reset crosses");
    assert.equal(atServer.cause?.kind, "reset");
    assert.deepEqual(ends, [{ side: "left", cause: { kind: "reset" } }]);
  });
});

test("a reset crosses from server to client and does not overtake the data before it", () => {
  withLine(({ lab, client, atClient, server, ends }) => {
    const big = Buffer.alloc(2_000_000, "abcdefg");
    client.pause();
    server.write(big, 0, big.length);
    server.resetWhenSent();
    lab.until(() => server.closed, "server reset once the relay had all");
    client.resume();
    lab.until(() => atClient.cause !== undefined && ends.length > 0, "reset crosses");
    assert.equal(atClient.cause?.kind, "reset");
    assert.ok(atClient.bytes.equals(big.subarray(0, atClient.bytes.length)));
    assert.equal(atClient.bytes.length, big.length);
    assert.deepEqual(ends, [{ side: "right", cause: { kind: "reset" } }]);
  });
});

/** The kernel gives up on the peer of the first socket that has read `afterBytes`. */
class Vanishing extends Sockets {
  readonly #afterBytes: number;
  readonly #bytes: Map<number, number> = new Map();
  #gone = -1;
  /** What that socket has read. */
  taken = 0;

  constructor(afterBytes: number) {
    super();
    this.#afterBytes = afterBytes;
  }

  override read(fd: number, into: Uint8Array, start: number, length: number): number {
    if (fd === this.#gone) return -constants.errno.ETIMEDOUT;
    const n = super.read(fd, into, start, length);
    const bytes = (this.#bytes.get(fd) ?? 0) + Math.max(0, n);
    this.#bytes.set(fd, bytes);
    if (this.#gone >= 0 || bytes < this.#afterBytes) return n;
    this.#gone = fd;
    this.taken = bytes;
    return n;
  }
}

test("a peer that vanished crosses as a reset that does not overtake the data before it", () => {
  const big = Buffer.alloc(2_000_000, "abcdefg");
  const system = new Vanishing(big.length / 2);
  const work = ({ lab, client, atClient, server, ends }: Line): void => {
    server.write(big, 0, big.length);
    lab.until(() => atClient.cause !== undefined && ends.length > 0, "the end crosses");
    assert.equal(client.closed, true);
    assert.equal(atClient.cause?.kind, "reset");
    assert.equal(atClient.bytes.length, system.taken);
    assert.deepEqual(ends, [{ side: "right", cause: { kind: "failed", errno: "ETIMEDOUT" } }]);
    server.reset();
  };
  withLine(work, 0, system);
});

test("a stalled reader stops the sender at a bounded queue, in both directions", () => {
  withLine(({ lab, client, atClient, server, atServer, tie }) => {
    client.pause();
    server.pause();
    const block = Buffer.alloc(65_536, 3);
    let peak = 0;
    for (let still = 0, before = 0; still < 20; ) {
      if (client.queuedBytes === 0) client.write(block, 0, block.length);
      if (server.queuedBytes === 0) server.write(block, 0, block.length);
      lab.loop.turn(1);
      peak = Math.max(peak, tie.left.queuedBytes, tie.right.queuedBytes);
      const moved = client.bytesOut + server.bytesOut;
      still = moved === before ? still + 1 : 0;
      before = moved;
    }
    assert.ok(peak > 0 && peak <= 65_536, `the relay holds one read at most: ${peak}`);
    const sent = [client.bytesOut + client.queuedBytes, server.bytesOut + server.queuedBytes];
    client.resume();
    server.resume();
    lab.until(
      () => atServer.bytes.length === sent[0] && atClient.bytes.length === sent[1],
      "everything arrives once both read again",
    );
    client.reset();
  });
});

test("an idle relay is reset on both sides, a used one is not", () => {
  withLine(({ lab, client, atClient, atServer, ends }) => {
    const start = lab.loop.now;
    while (lab.loop.now - start < 1_000) {
      client.write(TEXT, 0, 1);
      lab.loop.turn(20);
    }
    assert.equal(ends.length, 0);
    lab.until(() => atClient.cause !== undefined && atServer.cause !== undefined, "idle end");
    assert.deepEqual([atClient.cause?.kind, atServer.cause?.kind], ["reset", "reset"]);
    assert.equal(ends[0]?.side, "idle");
  }, 500);
});

test("cut() resets both sides and is told as such", () => {
  withLine(({ lab, atClient, atServer, tie, ends }) => {
    tie.cut();
    lab.until(() => atClient.cause !== undefined && atServer.cause !== undefined, "both reset");
    assert.deepEqual([atClient.cause?.kind, atServer.cause?.kind], ["reset", "reset"]);
    assert.deepEqual(ends, [{ side: "cut", cause: { kind: "closed" } }]);
  });
});

test("when the far side cannot be reached the near side is reset and the errno is told", () => {
  const lab = new LoopLab();
  const ends: RelayEnd[] = [];
  const proxyAt = lab.serve(({ channel: left }) => {
    const to = { ip: "127.0.0.1", port: 1 };
    const right = connect(lab.loop, { to, owner: lab.owner, timeoutMs: 500 }, left.handler);
    const onRelayEnd = (_relay: Relay, end: RelayEnd) => ends.push(end);
    relay(lab.loop, { left, right, idleTimeoutMs: 0 }, { onRelayEnd });
  });
  const atClient = new Recorder();
  lab.dial(proxyAt, atClient);
  lab.until(() => atClient.cause !== undefined && ends.length > 0, "told");
  assert.equal(atClient.cause?.kind, "reset");
  assert.deepEqual(ends, [{ side: "right", cause: { kind: "failed", errno: "ECONNREFUSED" } }]);
  lab.end();
});
