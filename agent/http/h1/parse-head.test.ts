import assert from "node:assert/strict";
import { test } from "node:test";
import { FORM, METHOD, PROBLEM, SEEN } from "./codes.ts";
import { Head, type HeadLimits } from "./head.ts";
import { textOf } from "./lookup.ts";
import { ascii } from "./octets.ts";
import { parseRequest, parseResponse } from "./parse-head.ts";

function parsed(text: string, limits?: HeadLimits): { head: Head; result: number } {
  const head = new Head(limits);
  const bytes = ascii(text);
  head.feed(bytes, 0, bytes.length);
  return { head, result: parseRequest(head) };
}

function request(text: string): Head {
  const { head, result } = parsed(text);
  assert.ok(result > 0, `refused with ${result}: ${text}`);
  return head;
}

function response(text: string): Head {
  const head = new Head();
  const bytes = ascii(text);
  head.feed(bytes, 0, bytes.length);
  assert.ok(parseResponse(head) > 0, text);
  return head;
}

/** Target, path and authority of a request. */
function parts(head: Head): readonly string[] {
  const { bytes } = head;
  return [
    textOf(bytes, head.targetStart, head.targetEnd),
    textOf(bytes, head.pathStart, head.pathEnd),
    textOf(bytes, head.authorityStart, head.authorityEnd),
  ];
}

test("an origin-form request gives method, target, path without the query, and Host as authority", () => {
  const head = request("PUT /a/b?c=d HTTP/1.1\r\nHost: shop:80\r\n\r\n");
  assert.equal(head.method, METHOD.put);
  assert.equal(head.form, FORM.origin);
  assert.deepEqual(parts(head), ["/a/b?c=d", "/a/b", "shop:80"]);
});

test("an absolute-form target's authority wins over a differing Host", () => {
  const head = request("GET http://y.z:81/p?q HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal(head.form, FORM.absolute);
  assert.deepEqual(parts(head), ["http://y.z:81/p?q", "/p", "y.z:81"]);
  assert.equal(head.hostReplaced, true);
});

test("an absolute-form target that agrees with Host, ignoring case, replaces nothing", () => {
  assert.equal(request("GET http://X/ HTTP/1.1\r\nHost: x\r\n\r\n").hostReplaced, false);
});

test("CONNECT and OPTIONS * have their own forms", () => {
  const connect = request("CONNECT [::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n");
  assert.equal(connect.form, FORM.authority);
  assert.deepEqual(parts(connect), ["[::1]:443", "", "[::1]:443"]);
  assert.equal(request("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").form, FORM.asterisk);
});

test("every method of METHOD is recognised in upper case only", () => {
  for (const [name, method] of Object.entries(METHOD)) {
    if (method === METHOD.other || method === METHOD.connect) continue;
    const rest = "/ HTTP/1.1\r\nHost: x\r\n\r\n";
    assert.equal(request(`${name.toUpperCase()} ${rest}`).method, method);
    assert.equal(request(`${name} ${rest}`).method, METHOD.other);
    assert.equal(request(`${name.toUpperCase()}X ${rest}`).method, METHOD.other);
  }
});

test("keep-alive follows version and Connection", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["1.1", "", true],
    ["1.1", "Connection: close\r\n", false],
    ["1.1", "Connection: foo, CLOSE\r\n", false],
    ["1.1", "Connection: keep-alive, close\r\n", false],
    ["1.0", "", false],
    ["1.0", "Connection: Keep-Alive\r\n", true],
    ["1.0", "Connection: keep-alive\r\nConnection: close\r\n", false],
  ];
  for (const [version, line, keep] of cases)
    assert.equal(request(`GET / HTTP/${version}\r\nHost: x\r\n${line}\r\n`).keepAlive, keep, line);
});

test("an upgrade needs its field and HTTP/1.1, and is never h2c", () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", true],
    ["1.1", "Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n", true],
    ["1.1", "Upgrade: websocket\r\n", true],
    ["1.1", "Connection: upgrade\r\n", false],
    ["1.0", "Connection: upgrade\r\nUpgrade: websocket\r\n", false],
    ["1.1", "Connection: upgrade\r\nUpgrade: h2c\r\n", false],
    ["1.1", "Connection: upgrade\r\nUpgrade: websocket, H2C\r\n", false],
  ];
  for (const [version, lines, upgrade] of cases)
    assert.equal(
      request(`GET / HTTP/${version}\r\nHost: x\r\n${lines}\r\n`).upgrade,
      upgrade,
      lines,
    );
});

test("Expect: 100-continue counts in HTTP/1.1 only", () => {
  const rest = "Host: x\r\nExpect: 100-Continue\r\n\r\n";
  assert.equal(request(`PUT / HTTP/1.1\r\n${rest}`).expectContinue, true);
  assert.equal(request(`PUT / HTTP/1.0\r\n${rest}`).expectContinue, false);
});

test("the byte limit is the head's length with its blank line, in any split", () => {
  const text = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  const fits = { maxHeadBytes: text.length, maxFields: 8 };
  assert.equal(parsed(`${text}body`, fits).result, text.length);
  const short = { maxHeadBytes: text.length - 1, maxFields: 8 };
  assert.equal(parsed(`${text}body`, short).result, PROBLEM.headTooLarge);
  const head = new Head(short);
  const bytes = ascii(text);
  let result = 0;
  for (let end = 1; result === 0; end++) {
    head.feed(bytes, 0, end);
    result = parseRequest(head);
    if (result === 0)
      assert.ok(end < text.length - 1, "the limit is told as soon as it is reached");
  }
  assert.equal(result, PROBLEM.headTooLarge);
});

test("one field over the limit is refused", () => {
  const limits = { maxHeadBytes: 1_000, maxFields: 3 };
  const head = (n: number): string => `GET / HTTP/1.1\r\nHost: x\r\n${"A: b\r\n".repeat(n)}\r\n`;
  assert.ok(parsed(head(2), limits).result > 0);
  assert.equal(parsed(head(3), limits).result, PROBLEM.tooManyFields);
});

test("a head continued at another place in memory keeps its offsets right", () => {
  const text = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nX: yes\r\n\r\n";
  const bytes = ascii(text);
  const moved = new Uint8Array(bytes.length + 100);
  moved.set(bytes, 100);
  const head = new Head();
  head.feed(bytes, 0, 50);
  assert.equal(parseRequest(head), 0);
  head.feed(moved, 100, 100 + bytes.length);
  assert.equal(parseRequest(head), 100 + bytes.length);
  assert.deepEqual(parts(head), ["/a", "/a", "x"]);
  head.moveTo(bytes, 0);
  assert.deepEqual(parts(head), ["/a", "/a", "x"]);
  assert.equal(head.end, bytes.length);
});

test("a head is reusable after success, refusal and reset, and remembers nothing", () => {
  const head = new Head();
  const feed = (text: string): number => {
    const bytes = ascii(text);
    head.feed(bytes, 0, bytes.length);
    return parseRequest(head);
  };
  const rich =
    "POST / HTTP/1.1\r\nHost: x\r\nConnection: close, x-a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nExpect: 100-continue\r\nX-A: 1\r\n\r\n";
  assert.ok(feed(rich) > 0);
  assert.equal(feed("bad"), 0);
  head.reset();
  assert.equal(feed("bad\r\n"), PROBLEM.startLine);
  const plain = "GET / HTTP/1.1\r\nHost: y\r\n\r\n";
  assert.equal(feed(plain), plain.length);
  const { contentLength, chunked, keepAlive, expectContinue, seen, special, count } = head;
  assert.deepEqual(
    { contentLength, chunked, keepAlive, expectContinue, seen, special, count },
    {
      contentLength: -1,
      chunked: false,
      keepAlive: true,
      expectContinue: false,
      seen: SEEN.host,
      special: 0,
      count: 1,
    },
  );
});

test("bytes behind the shown end are never looked at", () => {
  const text = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  const bytes = ascii(text);
  for (let end = 0; end < bytes.length; end++) {
    const head = new Head();
    head.feed(bytes, 0, end);
    assert.equal(parseRequest(head), 0, `at ${end}`);
  }
});

test("a response gives status, version and length", () => {
  const head = response("HTTP/1.0 404 Not Found\r\nContent-Length: 12\r\n\r\n");
  assert.deepEqual(
    [head.status, head.minor, head.contentLength, head.keepAlive],
    [404, 0, 12, false],
  );
});

test("a head takes as many fields as may be, though few have room at first", () => {
  const lines = Array.from({ length: 256 }, (_, n) => `X-${n}: v${n}\r\n`);
  const text = `GET / HTTP/1.1\r\nHost: a\r\n${lines.slice(1).join("")}\r\n`;
  const { head, result } = parsed(text);
  assert.equal(result, text.length);
  assert.equal(head.fieldCount, 256);
  const range = { start: 0, end: 0 };
  for (let n = 1; n < 256; n++) {
    head.fieldName(n, range);
    assert.equal(textOf(head.bytes, range.start, range.end), `X-${n}`);
    head.fieldValue(n, range);
    assert.equal(textOf(head.bytes, range.start, range.end), `v${n}`);
  }
  const one = `GET / HTTP/1.1\r\nHost: a\r\n${lines.join("")}\r\n`;
  assert.equal(parsed(one).result, PROBLEM.tooManyFields);
});
