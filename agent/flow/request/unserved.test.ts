import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import type { Workload } from "#model/workload.ts";
import { Head } from "../../http/h1/head.ts";
import { textOf } from "../../http/h1/lookup.ts";
import { ascii } from "../../http/h1/octets.ts";
import { parseResponse } from "../../http/h1/parse-head.ts";
import { shortAnswer } from "../../http/h1/short-answer.ts";
import { headRoom, NO_LINES, writeHead } from "../../http/h1/write-head.ts";
import type { Plan } from "../plan.ts";
import { dialledInVain, hideClaims, isBehindAgent, isUnserved } from "./unserved.ts";

const ENDPOINT = { address: "10.1.0.2", port: 80 };

const POD: Workload = {
  ...{ uid: "u", name: "order", namespace: "shop", owner: "order", serviceAccount: "default" },
  ...{ node: "there", addresses: ["10.1.0.2"], ports: [], enrolment: DEFAULT_ENROLMENT },
};

const PLAN: Plan = {
  direction: "inbound",
  understanding: "http",
  nextHop: { kind: "fixed", address: ENDPOINT, workload: POD },
  origin: { kind: "client-address", address: "10.1.0.9" },
  source: { ...POD, name: "user" },
  destination: ENDPOINT,
  clientAddress: "10.1.0.9",
};

function parsed(bytes: Uint8Array): Head {
  const head = new Head();
  head.feed(bytes, 0, bytes.length);
  assert.ok(parseResponse(head) > 0);
  return head;
}

function answer(status: number, ...lines: readonly string[]): Head {
  return parsed(ascii([`HTTP/1.1 ${status} X`, ...lines, "", ""].join("\r\n")));
}

test("an answer counts when it gives a reason of before the application, and names who was asked", () => {
  const why = "X-Nodemesh-Reason: connect-refused";
  const named = "x-nodemesh-dialled: 10.1.0.2:80";
  assert.ok(isUnserved(answer(503, why, named), ENDPOINT));
  assert.ok(isUnserved(answer(503, why), ENDPOINT), "agents of earlier versions name nobody");
  for (const wrong of [
    answer(502, why, named),
    answer(503, named),
    answer(503, "x-nodemesh-reason: upstream-reset", named),
    answer(503, why, "x-nodemesh-dialled: 10.1.0.2:8080"),
    answer(503, why, "x-nodemesh-dialled:"),
    answer(503, why, named, named),
    answer(503, why, why, named),
  ])
    assert.equal(isUnserved(wrong, ENDPOINT), false, textOf(wrong.bytes, 0, wrong.size));
});

test("what an agent answers is believed by the agent that asked it, in both families", () => {
  for (const endpoint of [ENDPOINT, { address: "fd00::2", port: 8080 }]) {
    const plan = { ...PLAN, destination: endpoint };
    const words = { status: 504, reason: "connect-timeout", close: true, bodiless: false } as const;
    const dialled = dialledInVain(plan, words.reason);
    const head = parsed(shortAnswer({ ...words, dialled }));
    assert.ok(isUnserved(head, endpoint));
    assert.equal(isUnserved(head, { ...endpoint, port: 81 }), false);
  }
});

test("nothing is named where the application may have seen the request, nor to strangers", () => {
  assert.equal(dialledInVain(PLAN, "connect-failed"), "10.1.0.2:80");
  assert.equal(dialledInVain(PLAN, "upstream-reset"), undefined);
  const stranger: Plan = { ...PLAN, source: { kind: "stranger", address: "192.0.2.1" } };
  assert.equal(dialledInVain(stranger, "connect-failed"), undefined);
});

test("an agent stands before the ports of enrolled pods of other nodes that it reads", () => {
  assert.ok(isBehindAgent(POD, ENDPOINT, "here"));
  const { enrolment: _enrolment, ...free } = POD;
  const ports = [{ first: 80, last: 80 }];
  const excluding = { ...POD, enrolment: { ...DEFAULT_ENROLMENT, excludeInboundPorts: ports } };
  const opaque = { ...POD, enrolment: { ...DEFAULT_ENROLMENT, opaquePorts: ports } };
  for (const unread of [undefined, free, excluding, opaque])
    assert.equal(isBehindAgent(unread, ENDPOINT, "here"), false);
  assert.equal(isBehindAgent(POD, ENDPOINT, "there"), false);
});

test("an application's own words in the agent's name are taken away, of refusals alone", () => {
  const claims = ["X-NodeMesh-Reason: connect-refused", "A: b", "x-nodemesh-dialled: 10.1.0.2:80"];
  const written = (head: Head): string => {
    hideClaims(head);
    const how = { connection: "none", extra: NO_LINES } as const;
    const into = new Uint8Array(headRoom(head, how));
    return textOf(into, 0, writeHead(head, how, into));
  };
  const twice = answer(503, ...claims, ...claims);
  assert.equal(written(twice), "HTTP/1.1 503 X\r\nA: b\r\nA: b\r\n\r\n");
  assert.match(written(answer(500, ...claims)), /Reason: connect-refused/);
});
