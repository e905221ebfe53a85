import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_MISDECLARED } from "#model/misdeclared.ts";
import {
  type AckVerdict,
  MAX_ACK_BYTES,
  parseNodeName,
  readAck,
  readStreamAck,
  takeAck,
} from "./acks.ts";
import { AgentRegistry } from "./agents.ts";

const AT = "2026-01-01T00:00:00.000Z";

function registry(): AgentRegistry {
  return new AgentRegistry(() => new Date(AT));
}

function take(body: string, agents: AgentRegistry): AckVerdict {
  const read = readAck(body);
  return read.kind === "ack" ? takeAck(read.ack, agents) : read;
}

test("an ack and a nack are noted for the agent that has a stream", () => {
  const agents = registry();
  const link = agents.connect("n1");
  agents.sent(link, { epoch: "e", version: 3 });
  take('{"node":"n1","epoch":"e","version":2}', agents);
  const nack = '{"node":"n1","epoch":"e","version":3,"field":"base","problem":"is odd"}';
  assert.deepEqual(take(nack, agents), { kind: "taken", node: "n1", refusal: true });
  assert.deepEqual(agents.list(), [
    {
      node: "n1",
      connected: true,
      since: AT,
      sent: { epoch: "e", version: 3 },
      acked: { epoch: "e", version: 2, at: AT },
      nacks: [{ version: 3, field: "base", problem: "is odd", at: AT }],
    },
  ]);
});

test("an ack on a stream says epoch and version, and nothing else is one", () => {
  assert.deepEqual(readStreamAck('{"epoch":"e","version":3,"later":true}'), {
    epoch: "e",
    version: 3,
  });
  const others = [
    "{",
    "null",
    "3",
    "[]",
    '{"epoch":"","version":1}',
    `{"epoch":"${"e".repeat(129)}","version":1}`,
    '{"epoch":1,"version":1}',
    '{"version":1}',
    '{"epoch":"e"}',
    ...["-1", "1.5", '"1"', "9007199254740992", "null"].map(
      (version) => `{"epoch":"e","version":${version}}`,
    ),
  ];
  for (const message of others) assert.equal(readStreamAck(message), undefined, message);
});

test("an ack on a stream may name misdeclared ports; what can't be read of them is left out", () => {
  const known = [
    { kind: "service", service: "shop/order", port: 80, spoken: "http2" },
    { kind: "pod", pod: "u1", port: 8080, spoken: "other" },
  ];
  const odd = [
    null,
    { kind: "gateway", service: "x", port: 80, spoken: "tls" },
    { kind: "pod", pod: "u1", port: 0, spoken: "tls" },
    { kind: "pod", pod: "u1", port: 80, spoken: "quic" },
    { kind: "service", service: "x".repeat(513), port: 80, spoken: "tls" },
  ];
  const read = (misdeclared: unknown): unknown =>
    readStreamAck(JSON.stringify({ epoch: "e", version: 3, misdeclared }));
  const ack = { epoch: "e", version: 3 };
  assert.deepEqual(read([...odd, ...known]), { ...ack, misdeclared: known });
  assert.deepEqual(read([]), { ...ack, misdeclared: [] });
  assert.deepEqual(read("many"), { ...ack, misdeclared: [] });
  const many = Array.from({ length: 100 }, (_, i) => ({ ...known[0], port: i + 1 }));
  assert.deepEqual(read(many), { ...ack, misdeclared: many.slice(0, MAX_MISDECLARED) });
  const longest = Array.from({ length: MAX_MISDECLARED }, (_, i) => ({
    ...{ kind: "service", service: "x".repeat(256), port: 65_535 - i, spoken: "proxy" },
  }));
  const message = JSON.stringify({
    epoch: "e".repeat(128),
    version: 2 ** 52,
    misdeclared: longest,
  });
  assert.ok(message.length <= MAX_ACK_BYTES, `${message.length} bytes`);
});

test("of one stream and epoch the newest ack counts, in whatever order they arrive", () => {
  const agents = registry();
  agents.connect("n1");
  const versionAfter = (epoch: string, version: number): number | undefined => {
    agents.acked("n1", { epoch, version });
    return agents.get("n1")?.acked?.version;
  };
  assert.deepEqual(
    [versionAfter("e", 7), versionAfter("e", 6), versionAfter("f", 1), versionAfter("f", 2)],
    [7, 7, 1, 2],
  );
  agents.connect("n1");
  assert.equal(versionAfter("f", 1), 1, "the next stream's agent is believed");
});

test("what is not an ack, or not of an agent that is here, is refused with the reason", () => {
  const agents = registry();
  agents.connect("n1");
  const refused = (body: string): string => {
    const verdict = take(body, agents);
    return verdict.kind === "refused" ? verdict.problem : "taken";
  };
  assert.match(refused("{"), /expected object/);
  assert.match(refused('{"node":"n1","epoch":"e","version":-1}'), /^version: /);
  assert.match(refused('{"node":"N 1","epoch":"e","version":1}'), /^node: /);
  assert.equal(refused('{"node":"n2","epoch":"e","version":1}'), "node n2 has no stream here");
});

test("nacks are kept up to a bound, newest first", () => {
  const agents = registry();
  agents.connect("n1");
  for (let version = 1; version <= 20; version++)
    agents.nacked("n1", { version, field: "", problem: "p" });
  assert.deepEqual(
    agents.get("n1")?.nacks.map(({ version }) => version),
    [20, 19, 18, 17, 16, 15, 14, 13],
  );
});

test("the end of an older stream does not disconnect the newer one", () => {
  const agents = registry();
  const older = agents.connect("n1");
  const newer = agents.connect("n1");
  agents.disconnect(older);
  assert.equal(agents.get("n1")?.connected, true);
  agents.disconnect(newer);
  assert.equal(agents.get("n1")?.connected, false);
});

test("node names are those of Kubernetes", () => {
  assert.equal(parseNodeName("node-1.example"), "node-1.example");
  for (const bad of [null, "", "-a", "A", "a b", "a/b", "x".repeat(254)])
    assert.equal(parseNodeName(bad), undefined);
});

test("a node is one pod's to speak for, until its stream has ended; a newer stream of that pod takes the place", () => {
  const agents = registry();
  let replaced = 0;
  assert.deepEqual(agents.claim("n1", "u1"), { kind: "free" });
  const older = agents.connect("n1", { pod: "u1", onReplaced: () => replaced++ });
  assert.deepEqual(agents.claim("n1", "u1"), { kind: "own" });
  assert.deepEqual(agents.claim("n1", "u2"), { kind: "held", by: "u1" });
  assert.deepEqual(agents.claim("n1", undefined), { kind: "held", by: "u1" });
  const newer = agents.connect("n1", { pod: "u1" });
  assert.equal(replaced, 1);
  assert.equal(agents.ackedOn(older, { epoch: "e", version: 9 }), false);
  assert.equal(agents.ackedOn(newer, { epoch: "e", version: 8 }), true);
  assert.equal(agents.get("n1")?.acked?.version, 8);
  agents.disconnect(newer);
  assert.deepEqual(agents.claim("n1", "u2"), { kind: "free" });
});
