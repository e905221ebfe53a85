import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseManifest } from "./parse.ts";

const TWO = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
# only a comment
---
apiVersion: v1
kind: Service
metadata: { name: order, namespace: shop }
spec:
  ports:
    - { name: http, port: 80 }
`;

test("all documents of a YAML file are read, empty ones left out", () => {
  const parsed = parseManifest(TWO);
  assert.deepEqual(
    parsed.objects.map((object) => `${object.kind}/${object.metadata.name}`),
    ["Namespace/shop", "Service/order"],
  );
  assert.deepEqual([parsed.invalid, parsed.broken], [[], []]);
});

test("JSON is read too", () => {
  const parsed = parseManifest(
    JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name: "a" } }),
  );
  assert.equal(parsed.objects[0]?.metadata.name, "a");
});

test("a document with a syntax error leaves the others", () => {
  const parsed = parseManifest(`${TWO}---\nkind: [unclosed\n`);
  assert.equal(parsed.objects.length, 2);
  assert.equal(parsed.broken.length, 1);
  assert.match(parsed.broken[0] ?? "", /line/);
});

test("a document that unfolds without end is refused", () => {
  const bomb = ["a: &a [x,x,x,x,x,x,x,x,x]"];
  for (const [i, name] of [..."bcdefghi"].entries()) {
    const before = "abcdefghi"[i];
    bomb.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(",")}]`);
  }
  const parsed = parseManifest(bomb.join("\n"));
  assert.equal(parsed.broken.length, 1);
});

test("no text makes parsing throw", () => {
  const unit = fc.constantFrom(..."{}[]:-&*!|>'\"%@# \n\tab1", "---\n", "kind: ", "<<: ");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 60 }), (text) => {
      parseManifest(text);
    }),
    { numRuns: 1000 },
  );
});
