import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultySystem } from "../../test/support/faulty-system.ts";
import { LoopLab, Recorder } from "../../test/support/loop-lab.ts";
import type { Channel } from "./channel.ts";

function connected(lab: LoopLab): { client: Channel; atServer: Recorder } {
  const atServer = new Recorder({ onEnd: (channel) => channel.close() });
  let accepted = false;
  const at = lab.serve(({ channel }) => {
    channel.handler = atServer;
    accepted = true;
  });
  const client = lab.dial(at, new Recorder());
  lab.until(() => accepted && client.open, "connected");
  return { client, atServer };
}

const WORDS = Buffer.from("one two three ");

test("what shall be sent soon is sent at the end of the turn, and counts as queued until then", () => {
  const system = new FaultySystem();
  const lab = new LoopLab(system);
  const { client, atServer } = connected(lab);
  let turns = 0;
  lab.loop.onTurnEnd = () => turns++;
  system.arm(undefined);
  client.writeSoon(WORDS, 0, 4);
  assert.equal(client.queuedBytes, 4);
  assert.equal(system.count("write"), 0);
  lab.loop.turn(0);
  assert.equal(system.count("write"), 1);
  assert.equal(turns, 1);
  assert.equal(client.queuedBytes, 0);
  lab.until(() => atServer.bytes.length === 4, "arrived");
  client.reset();
  lab.end();
});

test("every other call comes after it", () => {
  const calls: readonly (readonly [string, (channel: Channel) => void])[] = [
    ["one two ", (channel) => channel.write(WORDS, 4, 8)],
    ["one two three ", (channel) => channel.write2(WORDS, 4, 8, WORDS, 8, 14)],
    ["one two ", (channel) => channel.writeSoon(WORDS, 4, 8)],
    ["one ", (channel) => channel.shutdown()],
    ["one ", (channel) => channel.close()],
    ["one ", (channel) => channel.resetWhenSent()],
  ];
  for (const [expected, call] of calls) {
    const lab = new LoopLab();
    const { client, atServer } = connected(lab);
    client.writeSoon(WORDS, 0, 4);
    call(client);
    lab.until(() => atServer.bytes.toString() === expected, expected);
    if (!client.closed) client.reset();
    lab.end();
  }
});

test("a channel that ends in the same turn sends nothing late", () => {
  const lab = new LoopLab();
  const { client, atServer } = connected(lab);
  client.reset();
  client.writeSoon(WORDS, 0, 4);
  lab.until(() => atServer.cause !== undefined, "reset");
  assert.equal(atServer.bytes.length, 0);
  lab.end();
});
