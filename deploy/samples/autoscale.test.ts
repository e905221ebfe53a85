/** The rule of docs/autoscale.md leads from the mesh's metric to the object that the sample asks about. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { z } from "zod";
import { METRIC_KEYS, specOf } from "../../agent/telemetry/metrics.ts";
import { ROOT } from "../../test/support/source-files.ts";

const RULES = z.object({
  rules: z.tuple([
    z.object({
      seriesQuery: z.string(),
      resources: z.object({
        overrides: z.record(
          z.string(),
          z.object({ group: z.string().default(""), resource: z.string() }),
        ),
      }),
      name: z.object({ matches: z.string(), as: z.string() }),
      metricsQuery: z.string(),
    }),
  ]),
});

const HPA = z.object({
  spec: z.object({
    scaleTargetRef: z.object({ kind: z.string(), name: z.string() }),
    metrics: z.tuple([
      z.object({
        object: z.object({
          describedObject: z.object({ apiVersion: z.string(), kind: z.string(), name: z.string() }),
          metric: z.object({ name: z.string() }),
        }),
      }),
    ]),
  }),
});

const text = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const [, block = ""] = /```yaml\n([\s\S]*?)```/.exec(text("docs/autoscale.md")) ?? [];
const [rule] = RULES.parse(parse(block)).rules;
const { spec: hpa } = HPA.parse(parse(text("deploy/samples/hpa.yaml")));
const { object } = hpa.metrics[0];

test("the rule reads a series that agents export, by labels that it has", () => {
  const [, series = "", labels = ""] = /^(\w+)\{(.*)\}$/.exec(rule.seriesQuery) ?? [];
  const spec = METRIC_KEYS.map(specOf).find(({ name }) => name === series);
  assert.ok(spec !== undefined, series);
  assert.match(series, new RegExp(rule.name.matches));
  const named = [
    ...labels.split(",").map((label) => label.replace(/!?=.*/, "")),
    ...Object.keys(rule.resources.overrides),
    ...[...rule.metricsQuery.matchAll(/(\w+)=/g)].map(([, label = ""]) => label),
  ];
  assert.ok(named.length >= 5, "the rule was not understood");
  for (const label of named) assert.ok(spec.labels.includes(label), label);
});

test("the sample asks for that metric, of an object whose name the label holds", () => {
  assert.equal(object.metric.name, rule.name.as);
  assert.deepEqual(object.describedObject, {
    apiVersion: "apps/v1",
    kind: "Deployment",
    name: "order",
  });
  // Agents write the owner's bare name into dst_workload; dst_service is `namespace/name`.
  assert.deepEqual(rule.resources.overrides["dst_workload"], {
    group: "apps",
    resource: "deployment",
  });
  assert.deepEqual(rule.resources.overrides["dst_namespace"], { group: "", resource: "namespace" });
  assert.equal(object.describedObject.name, hpa.scaleTargetRef.name);
  const deployments = parseAllDocuments(text("deploy/samples/shop.yaml"))
    .map((document) => document.toJS() as { kind: string; metadata: { name: string } })
    .filter(({ kind }) => kind === object.describedObject.kind);
  assert.ok(deployments.some(({ metadata }) => metadata.name === object.describedObject.name));
});
