import assert from "node:assert/strict";
import { test } from "node:test";
import { REASONS } from "#model/refusal.ts";
import { requestBody, responseBody } from "./body-kind.ts";
import { BODY, METHOD, PROBLEM } from "./codes.ts";
import { Head } from "./head.ts";
import { ascii } from "./octets.ts";
import { parseRequest, parseResponse } from "./parse-head.ts";
import { isProblem, requestProblem, responseProblem } from "./problem.ts";
import { shortAnswer, statusOf } from "./short-answer.ts";

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

test("a short answer is a valid response that names its reason and has exactly its body", () => {
  for (const reason of REASONS) {
    const bytes = shortAnswer({ status: statusOf(reason), reason, close: true, bodiless: false });
    const head = new Head();
    head.feed(bytes, 0, bytes.length);
    const end = parseResponse(head);
    assert.ok(end > 0, reason);
    assert.equal(head.contentLength, bytes.length - end);
    assert.equal(head.keepAlive, false);
    assert.match(text(bytes), new RegExp(`\r\nx-nodemesh-reason: ${reason}\r\n`));
  }
});

test("the answer to HEAD has the same fields and no body", () => {
  const answer = { status: 503, reason: "no-endpoints", close: false } as const;
  const full = text(shortAnswer({ ...answer, bodiless: false }));
  const bare = text(shortAnswer({ ...answer, bodiless: true }));
  assert.equal(bare, full.slice(0, full.indexOf("\r\n\r\n") + 4));
  assert.match(full, /^HTTP\/1\.1 503 Service Unavailable\r\n/);
  assert.doesNotMatch(full, /connection:/);
});

test("the same answer is made once", () => {
  const answer = {
    status: 400,
    reason: "request-malformed",
    close: true,
    bodiless: false,
  } as const;
  assert.equal(shortAnswer(answer), shortAnswer({ ...answer }));
});

test("every problem has a report, and a response's is always upstream-malformed", () => {
  for (const code of Object.values(PROBLEM)) {
    const report = requestProblem(code);
    assert.ok(report.status >= 400 && report.detail.length > 10);
    const { rule } = report;
    assert.match(rule, /^[a-z]+(?:-[a-z]+)*$/);
    assert.deepEqual(
      { ...responseProblem(code), detail: "" },
      { reason: "upstream-malformed", rule, status: 502, detail: "" },
    );
    assert.equal(isProblem(code), true);
  }
  assert.throws(() => requestProblem(-99), RangeError);
  assert.throws(() => requestProblem(0), RangeError);
});

test("the statuses RFC 9110 and 9112 ask for are used", () => {
  const statuses = (
    ["headTooLarge", "tooManyFields", "version", "unknownCoding", "host"] as const
  ).map((name) => requestProblem(PROBLEM[name]).status);
  assert.deepEqual(statuses, [431, 431, 505, 501, 400]);
});

function head(lines: string, response = false): Head {
  const made = new Head();
  const bytes = ascii(`${lines}\r\n\r\n`);
  made.feed(bytes, 0, bytes.length);
  assert.ok((response ? parseResponse(made) : parseRequest(made)) > 0, lines);
  return made;
}

test("a request's body kind comes from its fields alone", () => {
  const start = "POST / HTTP/1.1\r\nHost: x";
  assert.equal(requestBody(head(start)), BODY.none);
  assert.equal(requestBody(head(`${start}\r\nContent-Length: 0`)), BODY.none);
  assert.equal(requestBody(head(`${start}\r\nContent-Length: 1`)), BODY.length);
  assert.equal(requestBody(head(`${start}\r\nTransfer-Encoding: chunked`)), BODY.chunked);
});

test("a response's body kind also comes from its status and from what was asked", () => {
  const get = { method: METHOD.get, upgrade: false };
  const kind = (lines: string, asked: Parameters<typeof responseBody>[1] = get): number =>
    responseBody(head(`HTTP/1.1 ${lines}`, true), asked);
  const ask = (method: typeof get.method | 2 | 6): typeof get =>
    ({ method, upgrade: false }) as typeof get;
  assert.equal(kind("200 OK"), BODY.untilClose);
  assert.equal(kind("200 OK\r\nContent-Length: 0"), BODY.none);
  assert.equal(kind("200 OK\r\nContent-Length: 3"), BODY.length);
  assert.equal(kind("200 OK\r\nTransfer-Encoding: chunked"), BODY.chunked);
  assert.equal(kind("200 OK\r\nContent-Length: 3", ask(METHOD.head)), BODY.none);
  assert.equal(kind("200 OK", ask(METHOD.connect)), BODY.tunnel);
  assert.equal(kind("407 No", ask(METHOD.connect)), BODY.untilClose);
  assert.equal(kind("100 Continue"), BODY.interim);
  assert.equal(kind("204 None"), BODY.none);
  assert.equal(kind("304 Same\r\nContent-Length: 3"), BODY.none);
  assert.equal(kind("101 Switch"), PROBLEM.unaskedUpgrade);
  assert.equal(kind("101 Switch", { method: METHOD.get, upgrade: true }), BODY.tunnel);
});
