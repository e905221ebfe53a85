import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatFor } from "./accept.ts";

/** By who sends it. */
const SENT = {
  "Prometheus 2.42":
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
  "Prometheus 3":
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
  "Prometheus with native histograms":
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
  "no version": "application/openmetrics-text",
  "alike, in capitals, with spaces": "text/plain ; q=0.5 , Application/OpenMetrics-Text ; q=0.5",
};
const NOT_SENT = {
  nobody: "",
  curl: "*/*",
  browser: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
  "Prometheus that prefers text":
    "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1",
  "an older OpenMetrics": "application/openmetrics-text;version=0.0.1,text/plain;q=0.5",
  "refused in words": "application/openmetrics-text;q=0,*/*;q=0.1",
  nonsense: "application/openmetrics-text;q=often",
};

describe("OpenMetrics is for who asks for it", () => {
  for (const [who, accept] of Object.entries(SENT))
    test(who, () => assert.equal(formatFor(accept), "openmetrics"));
  for (const [who, accept] of Object.entries(NOT_SENT))
    test(`not for: ${who}`, () => assert.equal(formatFor(accept), "text"));
});
