/** The balancing algorithms as an application sees them: real requests over one worker. */

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

/** Far more than a busy machine makes of the others. */
const SLOW_MS = 250;

let servers: readonly http.Server[];
let endpoints: readonly { address: string; port: number }[];
/** Names of the servers that answer late. */
const slow = new Set<string>();

before(async () => {
  servers = ["a", "b", "c", "d"].map((name) =>
    http.createServer((_, response) => {
      setTimeout(() => response.end(name), slow.has(name) ? SLOW_MS : 0);
    }),
  );
  for (const server of servers) server.listen(0, "127.0.0.1");
  await Promise.all(servers.map((server) => server.listening || once(server, "listening")));
  endpoints = servers.map((server) => ({
    address: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
  }));
});

after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

async function ask(rig: WorkerRig, headers: http.OutgoingHttpHeaders = {}): Promise<string> {
  const sent = http.get({ host: VIP, port: rig.port, localAddress: POD, headers, agent: false });
  const [response] = (await once(sent, "response")) as [http.IncomingMessage];
  assert.equal(response.statusCode, 200);
  return (await response.setEncoding("utf8").toArray()).join("");
}

/** Answers by server of `count` requests, `parallel` at a time. */
async function spread(
  rig: WorkerRig,
  count: number,
  parallel: number,
): Promise<ReadonlyMap<string, number>> {
  const seen = new Map<string, number>();
  let left = count;
  const client = async (): Promise<void> => {
    while (left-- > 0) {
      const name = await ask(rig);
      seen.set(name, (seen.get(name) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: parallel }, client));
  return seen;
}

test("random gives everybody about the same", async () => {
  await using rig = await WorkerRig.start({ balance: { kind: "random" }, endpoints });
  const seen = await spread(rig, 400, 8);
  // Seven standard deviations of a fair choice.
  for (const name of "abcd")
    assert.ok(Math.abs((seen.get(name) ?? 0) - 100) < 61, String([...seen]));
});

for (const kind of ["least-request", "ewma"] as const)
  test(`${kind} gives a slow endpoint less than its share`, async () => {
    slow.add("a");
    await using rig = await WorkerRig.start({ balance: { kind }, endpoints });
    const seen = await spread(rig, 400, 8);
    slow.clear();
    assert.ok((seen.get("a") ?? 0) < 60, String([...seen]));
    for (const name of "bcd") assert.ok((seen.get(name) ?? 0) > 60, String([...seen]));
  });

for (const [what, balance, headers] of [
  ["header", { kind: "header", name: "x-user" }, (n: number) => ({ "X-User": `user ${n}` })],
  ["cookie", { kind: "cookie", name: "Sid" }, (n: number) => ({ Cookie: `a=1; Sid=${n}; b=2` })],
] as const)
  test(`a consistent hash of a ${what} moves only what its endpoint's end moves`, async () => {
    await using rig = await WorkerRig.start({
      balance: { kind: "consistent-hash", key: balance },
      endpoints,
    });
    const keys = Array.from({ length: 60 }, (_, n) => headers(n));
    const first: string[] = [];
    for (const key of keys) first.push(await ask(rig, key));
    assert.deepEqual([...new Set(first)].sort(), ["a", "b", "c", "d"]);
    await rig.update({
      balance: { kind: "consistent-hash", key: balance },
      endpoints: endpoints.slice(1).toReversed(),
    });
    const second: string[] = [];
    for (const key of keys) second.push(await ask(rig, key));
    for (const [n, before] of first.entries())
      if (before === "a") assert.notEqual(second[n], "a");
      else assert.equal(second[n], before, `key ${n} moved`);
    await rig.update({ balance: { kind: "consistent-hash", key: balance }, endpoints });
    for (const [n, key] of keys.entries()) assert.equal(await ask(rig, key), first[n]);
  });

test("a consistent hash of the source address gives one client one endpoint", async () => {
  await using rig = await WorkerRig.start({
    balance: { kind: "consistent-hash", key: { kind: "source-ip" } },
    endpoints,
  });
  assert.equal((await spread(rig, 40, 4)).size, 1);
});

test("of a Local service only endpoints of the own node answer, and nobody without one", async () => {
  const from = (...nodes: readonly string[]) =>
    endpoints.map((one, n) => ({ ...one, onlyFrom: nodes[n] ?? "other" }));
  await using rig = await WorkerRig.start({ endpoints: from("rig", "other", "rig") });
  assert.deepEqual([...(await spread(rig, 40, 4)).keys()].sort(), ["a", "c"]);
  await rig.update({ endpoints: from() });
  await assert.rejects(ask(rig), /503 !== 200/);
  assert.equal(rig.count("refused", "no-endpoints"), 1);
});

test("ClientIP affinity follows a lost endpoint, stays there while it is used, and ends with its time", async () => {
  const affinity = { balance: { kind: "round-robin" }, affinitySeconds: 1 } as const;
  await using rig = await WorkerRig.start({ ...affinity, endpoints });
  const at = async (): Promise<string> => {
    const seen = await spread(rig, 20, 4);
    assert.equal(seen.size, 1, String([...seen]));
    return [...seen.keys()].join();
  };
  const home = await at();
  await rig.update({ ...affinity, endpoints: endpoints.filter((_, n) => "abcd"[n] !== home) });
  const away = await at();
  assert.notEqual(away, home);
  await rig.update({ ...affinity, endpoints });
  assert.equal(await at(), away);
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  // First sight is by hash, on which all nodes agree: the client is where it began.
  assert.equal(await at(), home);
});
