/** The reference reader of OpenMetrics, prometheus_client's of Python (Debian's python3-prometheus-client), for tests. */

import { spawnSync } from "node:child_process";
import { z } from "zod";

/** A metric as it was understood. */
export interface OpenFamily {
  readonly name: string;
  readonly type: string;
  readonly unit: string;
  readonly help: string;
  readonly samples: readonly {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}

const FAMILIES: z.ZodType<readonly OpenFamily[]> = z.array(
  z.object({
    name: z.string(),
    type: z.string(),
    unit: z.string(),
    help: z.string(),
    samples: z.array(
      z.object({
        name: z.string(),
        labels: z.record(z.string(), z.string()),
        value: z.string().transform((text) => Number(text.replace("inf", "Infinity"))),
      }),
    ),
  }),
);

const READER = `
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
sample = lambda s: {"name": s.name, "labels": s.labels, "value": str(s.value)}
family = lambda f: {"name": f.name, "type": f.type, "unit": f.unit, "help": f.documentation,
    "samples": [sample(s) for s in f.samples]}
json.dump([family(f) for f in read(sys.stdin.read())], sys.stdout)
`;

/** Reads a page. Throws with the reader's words, which cite the line, when the page is wrong. */
export function readOpenMetrics(page: string): ReadonlyMap<string, OpenFamily> {
  // Debian's own Python: its package is nobody else's.
  const { status, stdout, stderr } = spawnSync("/usr/bin/python3", ["-c", READER], {
    input: page,
    encoding: "utf8",
    maxBuffer: 100e6,
  });
  if (status !== 0) throw new SyntaxError(stderr.trim().split("\n").at(-1));
  return new Map(FAMILIES.parse(JSON.parse(stdout)).map((family) => [family.name, family]));
}
