import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  ANNOTATIONS,
  readEnrolmentWords,
  readServiceWords,
  resolveEnrolment,
  type Words,
} from "./annotations.ts";
import { DEFAULT_ENROLMENT } from "./enrolment.ts";

function annotated(
  annotations: Record<string, string>,
  labels: Record<string, string> = {},
): Words {
  return { annotations, labels };
}

test("every word of a pod is read", () => {
  const { value, problems } = readEnrolmentWords(
    annotated({
      "mesh/enabled": "true",
      "mesh/mtls": "strict",
      "mesh/fail": "closed",
      "mesh/exclude-outbound-ports": "25, 8000-8100",
      "mesh/exclude-inbound-ports": "9000",
      "mesh/exclude-outbound-cidrs": "10.1.2.3/8",
      "mesh/include-outbound-cidrs": "FD00::/8,192.0.2.1",
      "mesh/opaque-ports": "3306",
      "mesh/access-log": "0.25",
      "mesh/trace": "0.5",
      "other/word": "x",
    }),
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(value, {
    enabled: true,
    mtls: "strict",
    fail: "closed",
    excludeOutboundPorts: [
      { first: 25, last: 25 },
      { first: 8000, last: 8100 },
    ],
    excludeInboundPorts: [{ first: 9000, last: 9000 }],
    excludeOutboundCidrs: ["10.0.0.0/8"],
    includeOutboundCidrs: ["fd00::/8", "192.0.2.1/32"],
    opaquePorts: [{ first: 3306, last: 3306 }],
    accessLog: 0.25,
    trace: 0.5,
  });
});

test("no trace at all is less than none begun", () => {
  const read = (text: string) => readEnrolmentWords(annotated({ "mesh/trace": text })).value;
  assert.deepEqual(["false", "0", "true"].map(read), [
    { trace: "off" },
    { trace: 0 },
    { trace: 1 },
  ]);
  assert.deepEqual(read("off"), {});
});

test("a share is a plain number from 0 to 1, or a word for one of its ends", () => {
  const read = (text: string) => readEnrolmentWords(annotated({ "mesh/access-log": text })).value;
  for (const [text, accessLog] of Object.entries({ true: 1, false: 0, "0": 0, "1": 1, "1.0": 1 }))
    assert.deepEqual(read(text), { accessLog });
  for (const text of ["", " 1", "1.5", "-0.1", "0x1", "1e-3", "0.", ".5", "NaN", "yes", "50%"])
    assert.deepEqual(read(text), {}, text);
});

test("a pod beats its namespace, word by word", () => {
  const namespace = { enabled: true, fail: "closed", mtls: "strict" } as const;
  assert.equal(resolveEnrolment({ enabled: false }, namespace), undefined);
  assert.deepEqual(resolveEnrolment({ fail: "open" }, namespace), {
    ...DEFAULT_ENROLMENT,
    mtls: "strict",
  });
  assert.equal(resolveEnrolment({ fail: "open" }, {}), undefined);
});

test("an annotation beats a label, a label counts alone", () => {
  const { value } = readEnrolmentWords(
    annotated({ "mesh/enabled": "false" }, { "mesh/enabled": "true", "mesh/fail": "closed" }),
  );
  assert.deepEqual(value, { enabled: false, fail: "closed" });
});

test("a malformed value counts as not set and says what to do", () => {
  const { value, problems } = readEnrolmentWords(
    annotated({ "mesh/enabled": "yes", "mesh/fail": "closed" }, { "mesh/enabled": "true" }),
  );
  assert.deepEqual(value, { enabled: true, fail: "closed" });
  assert.deepEqual(problems, [
    {
      field: 'metadata.annotations["mesh/enabled"]',
      problem: '"yes" is not the text "true" or "false"',
      nextStep: 'set mesh/enabled to the text "true" or "false"; until then it counts as not set',
    },
  ]);
});

test("a misspelt word is named with the words that exist", () => {
  const { problems } = readEnrolmentWords(annotated({ "mesh/enbled": "true" }));
  assert.equal(problems[0]?.problem, "mesh/enbled means nothing on a pod or namespace");
  assert.match(problems[0]?.nextStep ?? "", /mesh\/enabled/);
});

test("an empty list clears the namespace's list", () => {
  const { value } = readEnrolmentWords(annotated({ "mesh/opaque-ports": "" }));
  assert.deepEqual(value, { opaquePorts: [] });
});

test("no text makes reading throw, and each text is either used or a problem", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const word = annotated({ "mesh/exclude-outbound-ports": text });
      const { value, problems } = readEnrolmentWords(word);
      assert.equal(problems.length, value.excludeOutboundPorts === undefined ? 1 : 0);
    }),
  );
});

test("a Service's words are read, a malformed one counts as not said", () => {
  const both = annotated({ "mesh/load-balancing": "ewma", "mesh/connections": "own" });
  assert.deepEqual(readServiceWords(both), {
    value: { balance: { kind: "ewma" }, connections: "own" },
    problems: [],
  });
  assert.deepEqual(readServiceWords(annotated({})), { value: {}, problems: [] });
  const bad = annotated({ "mesh/load-balancing": "fastest", "mesh/connections": "none" });
  assert.deepEqual(readServiceWords({ ...bad, labels: { "mesh/connections": "shared" } }), {
    value: { connections: "shared" },
    problems: [
      {
        field: 'metadata.annotations["mesh/load-balancing"]',
        problem: `"fastest" is not ${ANNOTATIONS.at(-2)?.[1]}`,
        nextStep: `set mesh/load-balancing to ${ANNOTATIONS.at(-2)?.[1]}; until then it counts as not set`,
      },
      {
        field: 'metadata.annotations["mesh/connections"]',
        problem: '"none" is not shared or own',
        nextStep: "set mesh/connections to shared or own; until then it counts as not set",
      },
    ],
  });
});

test("a pod's word on a Service is named with the words that exist there", () => {
  const { problems } = readServiceWords(annotated({ "mesh/enabled": "true" }));
  assert.equal(problems[0]?.problem, "mesh/enabled means nothing on a Service");
  assert.match(problems[0]?.nextStep ?? "", /mesh\/load-balancing, mesh\/connections$/);
});
