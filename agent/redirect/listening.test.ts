import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAddress } from "#model/address.ts";
import { LISTENING_SHARE } from "../kernel/layout.gen.ts";
import type { ListeningKey } from "../kernel/mesh-maps.ts";
import type { ListeningSocket } from "../kernel/sock-diag.ts";
import { AF_INET, AF_INET6 } from "../kernel/socket-constants.ts";
import { fakeTables } from "./fakes.ts";
import {
  beginListening,
  dropListening,
  endListening,
  listeningPlaces,
  reviewListening,
} from "./listening.ts";

const POD = 7n;

function socket(address: string, more: Partial<ListeningSocket> = {}): ListeningSocket {
  const family = address.includes(":") ? AF_INET6 : AF_INET;
  return { family, address, port: 80, device: 0, ipv6Only: false, ...more };
}

/** A key in words: `ADDRESS PORT FAMILY`. */
function words({ address, port, family, device }: ListeningKey): string {
  const bytes = new Uint8Array(Uint32Array.from(address.word).buffer);
  const any = address.word.every((word) => word === 0);
  return `${any ? "*" : formatAddress(bytes)} ${port} ${family}${device === 0 ? "" : ` on ${device}`}`;
}

test("each kind of socket is where the kernel would look for it", () => {
  const cases: readonly (readonly [ListeningSocket, readonly string[]])[] = [
    [socket("0.0.0.0"), ["* 80 2"]],
    [socket("10.0.0.1"), ["::ffff:10.0.0.1 80 2"]],
    [socket("::"), ["* 80 10", "* 80 2"]],
    [socket("::", { ipv6Only: true }), ["* 80 10"]],
    [socket("::ffff:10.0.0.1"), ["::ffff:10.0.0.1 80 2"]],
    [socket("::ffff:0.0.0.0"), ["* 80 2"]],
    [socket("fd00::1", { device: 3 }), ["fd00::1 80 10 on 3"]],
  ];
  for (const [listener, expected] of cases) {
    const places = listeningPlaces(POD, [listener]);
    assert.deepEqual(
      places.map(({ key }) => words(key)),
      expected,
    );
    assert.ok(places.every(({ key, sockets }) => key.pod === POD && sockets === 1));
  }
});

/** Tables in which the programs have counted these. */
function counted(...sockets: readonly ListeningSocket[]) {
  const tables = fakeTables();
  beginListening(tables, POD);
  for (const { key, sockets: count } of listeningPlaces(POD, sockets))
    tables.listening.set(key, count);
  const found = (): string[] =>
    [...tables.foundListening.entries()].map(([key, count]) => `${count} at ${words(key)}`);
  return { tables, found };
}

test("only what the programs did not count is found, and goes when it is not there any more", () => {
  const { tables, found } = counted(socket("0.0.0.0"));
  assert.equal(tables.listeningStates.get(POD)?.full, 1);
  const more = [socket("0.0.0.0"), socket("0.0.0.0"), socket("fd00::1")];
  assert.equal(
    reviewListening(tables, POD, () => more),
    true,
  );
  assert.deepEqual(found(), ["1 at * 80 2", "1 at fd00::1 80 10"]);
  assert.equal(tables.listeningStates.get(POD)?.full, 0);
  assert.equal(
    reviewListening(tables, POD, () => more.slice(1)),
    false,
  );
  assert.deepEqual(found(), ["1 at fd00::1 80 10"]);
});

test("places of nobody are taken away before the kernel is asked", () => {
  const { tables } = counted(socket("0.0.0.0"));
  const [empty] = [...tables.listening.entries()];
  if (empty !== undefined) tables.listening.set(empty[0], 0);
  reviewListening(tables, POD, () => {
    assert.deepEqual([...tables.listening.entries()], []);
    return [];
  });
});

test("more places than the share leave the pod in doubt, and write nothing", () => {
  const { tables, found } = counted();
  const many = Array.from({ length: LISTENING_SHARE + 1 }, (_, i) =>
    socket("0.0.0.0", { port: i + 1 }),
  );
  reviewListening(tables, POD, () => many.slice(1));
  assert.equal(tables.listeningStates.get(POD)?.full, 0);
  assert.equal(found().length, LISTENING_SHARE);
  reviewListening(tables, POD, () => many);
  assert.equal(tables.listeningStates.get(POD)?.full, 1);
  assert.deepEqual(found(), []);
});

test("an ended pod leaves nothing, another keeps its own, and what an earlier agent began goes on", () => {
  const { tables } = counted(socket("0.0.0.0"));
  const { epoch } = tables.listeningStates.get(POD) ?? {};
  beginListening(tables, POD);
  assert.equal(tables.listeningStates.get(POD)?.epoch, epoch);
  beginListening(tables, 8n);
  reviewListening(tables, 8n, () => [socket("::")]);
  dropListening(tables, new Set([POD, 8n]));
  assert.equal([...tables.foundListening.entries()].length, 2);
  endListening(tables, POD);
  assert.deepEqual([...tables.listening.entries()], []);
  assert.equal(tables.listeningStates.get(POD), undefined);
  assert.equal([...tables.foundListening.entries()].length, 2);
  dropListening(tables, new Set());
  assert.deepEqual([...tables.foundListening.entries(), ...tables.listeningStates.entries()], []);
});
