import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultySystem } from "../../test/support/faulty-system.ts";
import { LoopLab, Recorder } from "../../test/support/loop-lab.ts";
import { EINVAL_RESULT } from "../kernel/errno.ts";
import type { Channel } from "./channel.ts";
import type { Meter } from "./leg.ts";
import { TcpFigures } from "./system.ts";

/** Adds up what it is told. */
class Sum extends TcpFigures implements Meter {
  times = 0;
  /** Times in which there was a round trip. */
  measured = 0;
  ends = 0;

  note(news: TcpFigures): void {
    this.times++;
    if (news.roundTripUs > 0) this.measured++;
    this.roundTripUs = news.roundTripUs;
    this.leastRoundTripUs = news.leastRoundTripUs;
    this.sentSegments += news.sentSegments;
    this.retransmittedSegments += news.retransmittedSegments;
    this.duplicateSegments += news.duplicateSegments;
    this.ackedBytes += news.ackedBytes;
  }

  ended(): void {
    this.ends++;
  }
}

interface Pair {
  readonly client: Channel;
  readonly server: Channel;
  readonly atClient: Recorder;
  readonly atServer: Recorder;
  readonly ofClient: Sum;
  readonly ofServer: Sum;
}

/** A connection whose two ends, in one loop, have a meter each. */
function pair(lab: LoopLab): Pair {
  const [atClient, atServer] = [new Recorder(), new Recorder()];
  const [ofClient, ofServer] = [new Sum(), new Sum()];
  let server: Channel | undefined;
  const at = lab.serve(({ channel }) => {
    channel.handler = atServer;
    channel.leg.meter = ofServer;
    server = channel;
  });
  const client = lab.dial(at, atClient);
  client.leg.meter = ofClient;
  lab.until(() => server !== undefined && client.open, "connected");
  assert.ok(server !== undefined);
  return { client, server, atClient, atServer, ofClient, ofServer };
}

function send(channel: Channel, length: number): void {
  channel.write(new Uint8Array(length), 0, length);
}

/** So many segments were sent, once each. A busy machine's kernel may send one again, also on loopback. */
function isOnce({ sentSegments, retransmittedSegments }: Sum, segments: number): void {
  assert.ok(sentSegments >= segments && sentSegments - retransmittedSegments <= segments);
}

function withPair(work: (lab: LoopLab, ends: Pair, system: FaultySystem) => void): void {
  const system = new FaultySystem();
  const lab = new LoopLab(system);
  work(lab, pair(lab), system);
  lab.end();
}

test("the end tells every byte that the peer has, without SYN and FIN, at either end", () => {
  for (const first of ["client", "server"] as const)
    withPair((lab, ends) => {
      const { client, server, atClient, atServer, ofClient, ofServer } = ends;
      send(client, 1000);
      send(server, 70_000);
      lab.until(() => atClient.bytes.length === 70_000, "the client has its bytes");
      lab.until(() => atServer.bytes.length === 1000, "the server has its bytes");
      ends[first].close();
      lab.until(() => atClient.log.includes("end") || atServer.log.includes("end"), "FIN");
      (first === "client" ? server : client).close();
      lab.until(() => client.closed && server.closed, "both have ended");
      assert.deepEqual([ofClient.ackedBytes, ofServer.ackedBytes], [1000, 70_000]);
      assert.deepEqual([ofClient.times, ofServer.times], [1, 1]);
      isOnce(ofClient, 1);
      assert.ok(ofServer.sentSegments >= 2 && ofServer.sentSegments <= 140);
      for (const { roundTripUs, leastRoundTripUs } of [ofClient, ofServer])
        assert.ok(leastRoundTripUs > 0 && leastRoundTripUs <= roundTripUs && roundTripUs < 1e6);
    });
});

test("what was told before is not told again at the end", () => {
  withPair((lab, { client, server, atClient, atServer, ofClient, ofServer }) => {
    for (let i = 1; i <= 5; i++) {
      send(client, 100);
      lab.until(() => atServer.bytes.length === 100 * i, "arrived");
      // The acknowledgement comes with the next turn at the latest: what it acknowledges is told then.
      const acknowledged = (): boolean => {
        client.leg.look();
        return ofClient.ackedBytes === 100 * i;
      };
      lab.until(acknowledged, "acknowledged");
    }
    const looks = ofClient.times;
    client.leg.look();
    assert.equal(ofClient.times, looks, "nothing is new, and the kernel is not asked");
    client.close();
    lab.until(() => atServer.log.includes("end"), "FIN");
    server.close();
    lab.until(() => client.closed && server.closed, "both have ended");
    assert.equal(ofClient.ackedBytes, 500);
    isOnce(ofClient, 5);
    assert.equal(ofClient.times, looks + 1);
    assert.ok(ofClient.measured <= looks, "an old round trip is no news");
    assert.deepEqual([ofServer.ackedBytes, ofServer.sentSegments], [0, 0]);
    assert.equal(ofServer.measured, 1, "the handshake was measured");
    assert.equal(atClient.cause?.kind, "closed");
  });
});

test("a reset is told too, by either side, with what had arrived until then", () => {
  withPair((lab, { client, server, atServer, ofClient, ofServer }) => {
    send(client, 1000);
    lab.until(() => atServer.bytes.length === 1000, "arrived");
    server.reset();
    lab.until(() => client.closed && server.closed, "both have ended");
    assert.deepEqual([ofClient.ackedBytes, ofClient.times], [1000, 1]);
    assert.deepEqual([ofServer.ackedBytes, ofServer.times], [0, 1]);
    assert.deepEqual([ofClient.ends, ofServer.ends], [1, 1]);
  });
});

test("an orderly end costs one look, which also says that the peer has everything", () => {
  withPair((lab, { client, server, atClient, atServer }, system) => {
    send(client, 1000);
    lab.until(() => atServer.bytes.length === 1000, "arrived");
    server.close();
    lab.until(() => atClient.log.includes("end"), "FIN");
    system.arm(undefined);
    client.close();
    lab.until(() => client.closed && server.closed, "both have ended");
    assert.equal(system.count("tcpFigures"), 2, "one for each");
    assert.ok(system.count("unsentBytes") <= 2, "asked only while something is under way");
  });
});

test("who has no meter is never looked at", () => {
  withPair((lab, { client, server, atServer }, system) => {
    for (const { leg } of [client, server]) leg.meter = undefined;
    system.arm(undefined);
    client.leg.look();
    client.close();
    lab.until(() => atServer.log.includes("end"), "FIN");
    server.close();
    lab.until(() => client.closed && server.closed, "both have ended");
    assert.equal(system.count("tcpFigures"), 0);
  });
});

test("what the kernel does not tell counts as nothing, and the connection goes on", () => {
  withPair((lab, { client, server, atServer, ofClient }, system) => {
    send(client, 10);
    lab.until(() => atServer.bytes.length === 10, "arrived");
    system.arm({ call: "tcpFigures", index: 0, outcome: EINVAL_RESULT });
    client.leg.look();
    assert.equal(ofClient.times, 0);
    client.close();
    server.close();
    lab.until(() => client.closed && server.closed, "both have ended");
    assert.equal(ofClient.ackedBytes, 10);
    assert.equal(ofClient.ends, 1);
  });
});
