/**
 * How long a request head takes: this project's parser beside Node's own (llhttp through its binding), in the
 * same process and the same rounds. Prints nanoseconds per head (median of the rounds) and the ratio.
 * Run: bin/run bench/micro/h1-head.ts
 */
import { Head } from "../../agent/http/h1/head.ts";
import { parseRequest } from "../../agent/http/h1/parse-head.ts";
import { NO_LINES, writeHead } from "../../agent/http/h1/write-head.ts";
import { llhttpHead } from "../../test/conformance/http1/llhttp.ts";

const ROUNDS = 15;
const HEADS_A_ROUND = 20_000;

const COMMON = [
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
  "Accept-Language: en-US,en;q=0.5",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes",
  "X-Request-Id: 7f1c2a34-5b6d-4e8f-9012-3456789abcde",
];

const SAMPLES: Readonly<Record<string, Buffer>> = {
  small: request(["Host: order.default"]),
  browser: request(["Host: shop.example", ...COMMON]),
  large: request([
    "Host: shop.example",
    ...COMMON,
    ...Array.from(
      { length: 8 },
      (_, i) => `X-Custom-Header-${i}: some value of a moderate size ${i}`,
    ),
  ]),
};

function request(fields: readonly string[]): Buffer {
  return Buffer.from(`GET /orders/42 HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`);
}

function nanosPerHead(run: () => void): number {
  const began = process.hrtime.bigint();
  for (let i = 0; i < HEADS_A_ROUND; i++) run();
  return Number(process.hrtime.bigint() - began) / HEADS_A_ROUND;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const head = new Head();
const into = new Uint8Array(4_096);
const rewrite = { connection: "none", extra: NO_LINES } as const;

function measure(name: string, bytes: Buffer): void {
  const parse = (): void => {
    head.feed(bytes, 0, bytes.length);
    if (parseRequest(head) !== bytes.length) throw new Error("the sample did not parse");
  };
  const both = (): void => {
    parse();
    writeHead(head, rewrite, into);
  };
  const ours: number[] = [];
  const rewritten: number[] = [];
  const node: number[] = [];
  const theirs = llhttpHead(bytes);
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(nanosPerHead(parse));
    node.push(nanosPerHead(theirs));
    rewritten.push(nanosPerHead(both));
  }
  const ratio = median(ours) / median(node);
  console.log(
    `${name} ${bytes.length} B: parse ${median(ours).toFixed(0)} ns, parse and write ${median(rewritten).toFixed(0)} ns, ` +
      `llhttp ${median(node).toFixed(0)} ns, ratio ${ratio.toFixed(2)}`,
  );
}

for (const [name, bytes] of Object.entries(SAMPLES)) measure(name, bytes);
