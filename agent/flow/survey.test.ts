import assert from "node:assert/strict";
import { test } from "node:test";
import type { Channel } from "../engine/channel.ts";
import { Survey } from "./survey.ts";

/** What a survey sees of a connection. */
function seen(): { readonly channel: Channel; looks: number } {
  const counted = {
    looks: 0,
    channel: { leg: { look: () => counted.looks++ } } as unknown as Channel,
  };
  return counted;
}

test("each connection's legs are looked at every fifth round, a fifth of them in each", () => {
  const survey = new Survey();
  const all = Array.from({ length: 50 }, () => ({ client: seen(), server: seen() }));
  for (let round = 1; round <= 10; round++) {
    const before = all.reduce((sum, { client }) => sum + client.looks, 0);
    survey.begin();
    for (const { client, server } of all) survey.attend("outbound", client.channel, server.channel);
    const after = all.reduce((sum, { client }) => sum + client.looks, 0);
    assert.equal(after - before, 10);
  }
  for (const { client, server } of all) assert.deepEqual([client.looks, server.looks], [2, 2]);
});

test("who has no server yet has its client's leg alone", () => {
  const survey = new Survey();
  const client = seen();
  for (let round = 1; round <= 5; round++) {
    survey.begin();
    survey.attend("outbound", client.channel, undefined);
  }
  assert.equal(client.looks, 1);
});

test("a round is bounded: with more connections each waits longer, and none is left out", () => {
  const survey = new Survey();
  const all = Array.from({ length: 20_000 }, seen);
  const round = (): number => {
    const before = all.reduce((sum, { looks }) => sum + looks, 0);
    survey.begin();
    for (const { channel } of all) survey.attend("inbound", channel, undefined);
    return all.reduce((sum, { looks }) => sum + looks, 0) - before;
  };
  // The first does not know yet how many there are.
  assert.equal(round(), 4000);
  for (const one of all) one.looks = 0;
  for (let n = 0; n < 20; n++) assert.equal(round(), 1000);
  assert.ok(all.every(({ looks }) => looks === 1));
});
