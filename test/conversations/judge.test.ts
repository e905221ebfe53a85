/** The judge of conversations must find what is wrong, and the shrinker what it takes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Answer, Conversation } from "./conversation.ts";
import { generate } from "./generate.ts";
import { judge } from "./judge.ts";
import type { Message } from "./message-reader.ts";
import type { ClientSeen, Observation, RequestSeen, ServedSeen } from "./observation.ts";
import { settle } from "./settle.ts";
import { shrink, simpler } from "./shrink.ts";
import { bodyOf } from "./wire.ts";

const BYTES = 20;

/** Two clients of a service, one after the other: a GET each, or a POST of the second one. */
function talks(second: "GET" | "POST" = "GET"): Conversation {
  const answer: Answer = {
    ...{ when: "whole", delay: 0, interim: [], status: 200, piece: 0, gap: 0, after: "keep" },
    body: { kind: "length", bytes: BYTES },
  };
  const common = { body: { kind: "none" }, version: "1.1", answer } as const;
  const client = { start: 0, piece: 0, gap: 0, leave: { kind: "done" } } as const;
  return {
    ...{ destination: "service", declared: "http", endpoints: [{ takes: "all" }], happenings: [] },
    clients: [
      { ...client, requests: [{ method: "GET", ...common }] },
      { ...client, requests: [{ method: second, ...common }], follows: 0 },
    ],
  };
}

function answered(client: number, more: Partial<Message> = {}): ClientSeen {
  const content = [bodyOf({ client, request: 0, side: "server" }, BYTES)];
  const message: Message = {
    start: "HTTP/1.1 200 Fine",
    fields: new Map([["x-mark", `${client}/0`]]),
    ...{ content, contentBytes: BYTES, trailer: "", complete: true, untilEnd: false },
    ...more,
  };
  return {
    answers: [{ message, interim: [] }],
    ...{ leftover: 0, stream: { bytes: 0, right: true }, end: "fin", sent: 50, errno: "" },
  };
}

function served(...clients: readonly number[]): ServedSeen {
  const requests: RequestSeen[] = clients.map((client) => ({
    ...{ client, request: 0, complete: true, bytes: 0, right: true },
  }));
  const stream = { bytes: 0, right: true };
  return { endpoint: 0, requests, stream, end: "fin", openedAt: 0, endedAt: 1 };
}

function kindsOf(seen: Partial<Observation>, conversation = talks()): readonly string[] {
  const right = { clients: [answered(0), answered(1)], served: [served(0, 1)], leaks: [] };
  return judge(conversation, { ...right, ...seen }).map(({ kind }) => kind);
}

test("what is right has no problem", () => {
  assert.deepEqual(kindsOf({}), []);
});

test("clients' losses are found", () => {
  const first = (seen: ClientSeen): readonly string[] => kindsOf({ clients: [seen, answered(1)] });
  const nothing = { ...answered(0), answers: [] };
  assert.deepEqual(first(nothing), ["lost-answer"]);
  assert.deepEqual(first({ ...nothing, end: "silence" }), ["silence"]);
  assert.deepEqual(first({ ...answered(0), end: "silence" }), ["silence"]);
  assert.deepEqual(first({ ...answered(0), end: "reset" }), ["ending"]);
  assert.deepEqual(first({ ...answered(0), leftover: 3 }), ["wrong-bytes"]);
  assert.deepEqual(first(answered(1)), ["foreign-answer"]);
  assert.deepEqual(first(answered(0, { content: [Buffer.alloc(BYTES)] })), ["wrong-bytes"]);
  assert.deepEqual(first(answered(0, { content: [] })), ["wrong-bytes"]);
  const refusal = new Map([["x-nodemesh-reason", "upstream-reset"]]);
  assert.deepEqual(first(answered(0, { fields: refusal })), ["refused"]);
  const part = answered(0, { complete: false, content: [], contentBytes: 0 });
  assert.deepEqual(first({ ...part, end: "reset" }), ["lost-answer"]);
});

test("servers' rules are kept", () => {
  assert.deepEqual(kindsOf({}, talks("POST")), ["rider"]);
  assert.deepEqual(kindsOf({ served: [served(0), served(1)] }, talks("POST")), []);
  assert.deepEqual(kindsOf({ served: [served(0), served(1), served(1)] }, talks("POST")), [
    "repeated",
  ]);
  const surplus = { ...served(0, 1), surplusAfter: 1 };
  assert.deepEqual(kindsOf({ served: [surplus] }), ["surplus"]);
  const fixed: Conversation = { ...talks(), destination: "pod" };
  assert.deepEqual([...new Set(kindsOf({}, fixed))].sort(), ["login", "together"]);
  assert.deepEqual(kindsOf({ served: [served(0), served(1)] }, fixed), []);
});

test("what is left behind is told", () => {
  assert.deepEqual(kindsOf({ leaks: ["a connection"] }), ["left-behind"]);
});

test("a conversation is made smaller until nothing more can go", async () => {
  const isOdd = (one: Conversation): boolean =>
    one.clients.some(({ requests }) => requests.some(({ answer }) => answer.after === "late"));
  let seed = 1;
  while (!isOdd(generate(seed)) || generate(seed).clients.length < 3) seed++;
  const small = await shrink(generate(seed), async (one) => isOdd(one));
  assert.equal(small.clients.length, 1);
  assert.equal(small.clients[0]?.requests.length, 1);
  assert.deepEqual(simpler(small).filter(isOdd), []);
  assert.deepEqual(settle(small), small);
});
