import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { compare, type Difference } from "./differences.ts";
import { EXPLANATIONS, explain } from "./explained.ts";
import { dice, mutate, requests, responses } from "./generate.ts";

/** Streams per kind; about ten seconds in all. Another range of seeds is another fuzz. */
const STREAMS = 80_000;
const FIRST_SEED = 1;
/** Of ten streams one stays as generated, so that agreement on valid ones is tested too. */
const VALID_EVERY = 10;

/** One stream for each class of difference, so that a class that has died out is noticed. */
const SAMPLES: Readonly<Record<string, readonly ["request" | "response", string]>> = {
  host: ["request", "GET / HTTP/1.1\r\n\r\n"],
  target: ["request", "GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n"],
  "http-0.9": ["request", "GET /\r\n\r\n"],
  version: ["request", "GET / HTTP/2.0\r\nHost: x\r\n\r\n"],
  "empty-lines": ["request", "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"],
  "status-line": ["response", "HTTP/1.1 204 \x0b\r\n\r\n"],
  "coding-in-1.0": ["request", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
  "other-codings": [
    "request",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
  ],
  tabs: ["request", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n"],
  "number-form": [
    "request",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000000\r\n\r\n",
  ],
  "hidden-framing": [
    "request",
    "POST / HTTP/1.1\r\nHost: x\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\nhello",
  ],
  "connect-body": ["request", "CONNECT x:80 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"],
  "unasked-101": ["response", "HTTP/1.1 101 Switching\r\n\r\n"],
  "extension-bytes": [
    "request",
    'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a="\xe9"\r\nx\r\n0\r\n\r\n',
  ],
  "trailer-names": [
    "request",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHost: y\r\n\r\n",
  ],
  "unknown-methods": ["request", "BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n"],
  scheme: ["request", "GET coap+tcp://x/ HTTP/1.1\r\nHost: x\r\n\r\n"],
  "extension-grammar": [
    "request",
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1; a\r\nx\r\n0\r\n\r\n",
  ],
  "odd-fields": ["request", "GET / HTTP/1.1\r\nHost: x\r\nX[a]: 1\r\n\r\n"],
  "odd-targets": ["request", "GET index HTTP/1.1\r\nHost: x\r\n\r\n"],
  "higher-minor": ["request", "GET / HTTP/1.2\r\nHost: x\r\n\r\n"],
  "lower-protocol": ["request", "GET / http/1.1\r\nHost: x\r\n\r\n"],
  "one-length": [
    "request",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
  ],
  "coding-wins": [
    "response",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ],
  "interim-length": ["response", "HTTP/1.1 104 Hints\r\nContent-Length: 7\r\n\r\n"],
  "told-at-line-end": ["request", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 7*"],
  "close-wins": [
    "request",
    "GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
  ],
};

function report({ name, text, ours, theirs }: Difference, seed: number): string {
  const last = JSON.stringify(text.slice(ours.consumed));
  return `${name} (seed ${seed}): ours ${ours.ending}, llhttp ${theirs.error ?? "fine"}\n  ${JSON.stringify(text)}\n  from ${last}`;
}

for (const kind of ["request", "response"] as const) {
  test(`llhttp and the codec read ${kind}s alike but for the explained differences`, () => {
    const make = kind === "request" ? requests : responses;
    const unexplained: string[] = [];
    let refusedByBoth = 0;
    let acceptedByBoth = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + STREAMS; seed++) {
      const roll = dice(seed);
      const valid = make(roll);
      const text = seed % VALID_EVERY === 0 ? valid : mutate(roll, valid);
      const { difference, accepted } = compare(kind, text);
      if (difference === undefined && accepted) acceptedByBoth++;
      else if (difference === undefined) refusedByBoth++;
      else if (explain(difference) === undefined) unexplained.push(report(difference, seed));
    }
    assert.deepEqual(unexplained.slice(0, 5), [], `${unexplained.length} unexplained differences`);
    // Both outcomes must be common, or the generator has lost its teeth.
    assert.ok(acceptedByBoth > STREAMS / 10, `only ${acceptedByBoth} accepted`);
    assert.ok(refusedByBoth > STREAMS / 10, `only ${refusedByBoth} refused`);
  });
}

test("every class of difference still exists", () => {
  for (const { id } of EXPLANATIONS) {
    const [kind, text] = SAMPLES[id] ?? assert.fail(`no sample of ${id}`);
    const { difference } = compare(kind, text);
    assert.ok(difference, `${id}: no difference any more`);
    assert.equal(explain(difference)?.id, id, report(difference, 0));
  }
});

test("DIFFERENCES.md has exactly the classes that the test knows", () => {
  const page = readFileSync(new URL("DIFFERENCES.md", import.meta.url), "utf8");
  const headings = [...page.matchAll(/^### (\S+)$/gm)].map(([, heading]) => heading);
  assert.deepEqual(headings.sort(), EXPLANATIONS.map(({ id }) => id).sort());
});
