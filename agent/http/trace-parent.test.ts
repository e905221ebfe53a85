import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Head } from "./h1/head.ts";
import { ascii } from "./h1/octets.ts";
import { parseRequest } from "./h1/parse-head.ts";
import { isVerbatim, writeHead } from "./h1/write-head.ts";
import {
  beginTrace,
  continueTrace,
  formatTraceParent,
  parseTraceParent,
  readTraceWords,
} from "./trace-parent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const SPAN = "00f067aa0ba902b7";
const VALUE = `00-${TRACE}-${PARENT}-01`;

function headOf(...lines: readonly string[]): Head {
  const bytes = ascii(["GET /a HTTP/1.1", "Host: order", ...lines, "", ""].join("\r\n"));
  const head = new Head();
  head.feed(bytes, 0, bytes.length);
  assert.equal(parseRequest(head), bytes.length);
  return head;
}

/** What the next hop gets. */
function sent(head: Head): string {
  const into = new Uint8Array(2000);
  const length = writeHead(head, { connection: "none", extra: head.added }, into);
  return Buffer.from(into.subarray(0, length)).toString("latin1");
}

describe("values", () => {
  test("one as the Recommendation has it is read", () => {
    assert.deepEqual(parseTraceParent(VALUE), { traceId: TRACE, parentId: PARENT, sampled: true });
    const sampled = (flags: string) => parseTraceParent(VALUE.replace(/01$/, flags))?.sampled;
    assert.deepEqual(["00", "01", "02", "03", "ff"].map(sampled), [false, true, false, true, true]);
  });

  test("a later version is read as far as it is known", () => {
    for (const value of [VALUE.replace(/^00/, "cc"), `${VALUE.replace(/^00/, "01")}-what-ever`])
      assert.equal(parseTraceParent(value)?.parentId, PARENT);
    assert.equal(parseTraceParent(`${VALUE.replace(/^00/, "01")}x`), undefined);
  });

  test("everything else says nothing", () => {
    const wrong = [
      ...["", "00", VALUE.slice(1), `${VALUE}-00`, `${VALUE} `, VALUE.toUpperCase()],
      ...[VALUE.replace(/^00/, "ff"), VALUE.replace(TRACE, "0".repeat(32))],
      ...[
        VALUE.replace(PARENT, "0".repeat(16)),
        VALUE.replaceAll("-", "_"),
        VALUE.replace("0a", "0g"),
      ],
    ];
    for (const value of wrong) assert.equal(parseTraceParent(value), undefined, value);
  });

  test("what is written is read as the same, and no text makes reading throw", () => {
    const digits = (length: number) =>
      fc
        .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
        .map((list) => list.join(""))
        .filter((text) => !/^0+$/.test(text));
    fc.assert(
      fc.property(digits(32), digits(16), (traceId, parentId) => {
        const read = parseTraceParent(formatTraceParent(traceId, parentId));
        assert.deepEqual(read, { traceId, parentId, sampled: true });
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseTraceParent(text);
      }),
    );
  });
});

describe("heads", () => {
  test("say nothing, something that is not ours, or where they stand", () => {
    const kind = (...lines: readonly string[]) => readTraceWords(headOf(...lines)).kind;
    assert.equal(kind(), "none");
    assert.equal(kind("X-Traceparent: 1"), "none");
    assert.equal(kind(`TraceParent:   ${VALUE}  `), "parent");
    assert.equal(kind("traceparent: nonsense"), "other");
    assert.equal(kind(`traceparent: ${VALUE}`, `traceparent: ${VALUE}`), "other");
    for (const name of ["tracestate", "b3", "X-B3-TraceId", "Uber-Trace-Id"])
      assert.equal(kind(`${name}: a=b`), "other", name);
  });

  test("that are continued cross as they came, but for the parent", () => {
    const lines = ["Accept: */*", `TraceParent: ${VALUE}`, "tracestate: a=1,b=2", "X: y"];
    const head = headOf(...lines);
    const before = sent(headOf(...lines));
    continueTrace(head, TRACE, SPAN);
    assert.ok(isVerbatim(head, { connection: "none", extra: head.added }));
    assert.equal(sent(head), before.replace(PARENT, SPAN));
  });

  test("of a later version go on in the first one, and nothing of what followed", () => {
    const head = headOf(`traceparent: 01-${TRACE}-${PARENT}-03-future`, "X: y");
    continueTrace(head, TRACE, SPAN);
    assert.match(
      sent(head),
      new RegExp(`traceparent: ${formatTraceParent(TRACE, SPAN)} +\r\nX: y`),
    );
    assert.equal(readTraceWords(head).kind, "other", "the offsets are those of what was sent");
  });

  test("that begin one have one line more, and the next message in the same head none", () => {
    const head = headOf("X: y");
    const before = sent(head);
    beginTrace(head, TRACE, SPAN);
    const line = `traceparent: ${formatTraceParent(TRACE, SPAN)}\r\n`;
    assert.equal(sent(head), before.replace(/\r\n$/, `${line}\r\n`));
    const bytes = ascii("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    head.feed(bytes, 0, bytes.length);
    parseRequest(head);
    assert.ok(isVerbatim(head, { connection: "none", extra: head.added }));
  });
});
