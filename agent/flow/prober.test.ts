import assert from "node:assert/strict";
import { test } from "node:test";
import type { Channel } from "../engine/channel.ts";
import type { ToldPatience } from "../engine/system.ts";
import { type Patience, Vigil } from "../engine/vigil.ts";
import { Sockets } from "../kernel/sockets.ts";
import { DEFAULT_PATIENCE, Prober, patienceOf } from "./prober.ts";

/** What a direct connection with bytes under way takes by net.ipv4.tcp_retries2 = 15 (tcp(7)). */
const RETRIES2_S = 924.6;

const TOLD: ToldPatience = {
  keepAlive: true,
  idleS: 1,
  intervalS: 2,
  probes: 3,
  userTimeoutMs: 4000,
};

/** A channel's part in probing: `told` is what the application at its other end says. */
function channel(told?: ToldPatience) {
  const vigil = new Vigil(new Sockets(), -1);
  const peerPatience = (): ToldPatience | undefined => {
    one.asked++;
    return told;
  };
  const one = { vigil, asked: 0, peerPatience };
  return one as typeof one & Channel;
}

test("without a word a peer that vanished is noticed after about 15 minutes", () => {
  const { idleS, intervalS, probes, userTimeoutMs } = DEFAULT_PATIENCE;
  assert.equal(idleS + intervalS * probes, 900);
  assert.ok(Math.abs(900 - RETRIES2_S) < 60);
  // It would end a peer that lives and does not read.
  assert.equal(userTimeoutMs, 0);
  assert.equal(patienceOf(undefined, true), DEFAULT_PATIENCE);
});

test("who probes is served by its own values, who does not by ours", () => {
  assert.equal(patienceOf(TOLD, false), TOLD);
  const { idleS, intervalS, probes } = DEFAULT_PATIENCE;
  const silent = { ...TOLD, keepAlive: false };
  assert.equal(patienceOf(silent, false), DEFAULT_PATIENCE);
  assert.deepEqual(patienceOf(silent, true), { idleS, intervalS, probes, userTimeoutMs: 4000 });
});

test("the far end is probed: the server of an outbound connection, the client of an inbound one", () => {
  const borne = (direction: "outbound" | "inbound"): (Patience | undefined)[] => {
    const [client, server] = [channel(TOLD), channel(TOLD)];
    const prober = new Prober();
    prober.begin();
    prober.attend(direction, client, server);
    return [client.vigil.patience, server.vigil.patience];
  };
  assert.deepEqual(borne("outbound"), [undefined, TOLD]);
  assert.deepEqual(borne("inbound"), [TOLD, undefined]);
});

test("a client is probed before its server is reached, and nobody where no server is", () => {
  const client = channel();
  const prober = new Prober();
  prober.begin();
  prober.attend("outbound", client, undefined);
  assert.equal(client.vigil.patience, undefined);
  prober.attend("inbound", client, undefined);
  assert.equal(client.vigil.patience, DEFAULT_PATIENCE);
});

test("each application is asked at the first look and at every eighth, a few at each look", () => {
  const prober = new Prober();
  const pairs = Array.from({ length: 16 }, () => [channel(TOLD), channel()] as const);
  const asked: number[] = [];
  for (let look = 0; look < 17; look++) {
    prober.begin();
    for (const [client, server] of pairs) prober.attend("outbound", client, server);
    asked.push(pairs.reduce((sum, [client]) => sum + client.asked, 0));
  }
  assert.equal(asked[0], 16);
  const more = asked.slice(1).map((sum, i) => sum - (asked[i] ?? 0));
  assert.deepEqual(new Set(more), new Set([2]));
  assert.deepEqual(new Set(pairs.map(([client]) => client.asked)), new Set([3]));
});
