/** Control's part of docs/metrics.md, asked of the very registry that control shows. */

import { z } from "zod";
import { makeMetrics } from "../../control/metrics.ts";
import { Pipeline } from "../../control/pipeline.ts";
import { AgentRegistry } from "../../control/publish/agents.ts";
import { Publisher } from "../../control/publish/publisher.ts";

/** What the labels' values are. A label without an entry here fails the generator. */
const LABEL_HELP: Readonly<Record<string, string>> = {
  verdict: "`taken` or `refused`",
  reason:
    "of `nodemesh_control_conditions`: as the [events on objects](reference.md#events-on-objects), in lower case with dashes; of `nodemesh_control_agents_refused_total`: why the agent's token, account or node was refused, or that nobody could say; of `nodemesh_control_connections_cut_total`: `late` (not admitted in 10 s), `address` and `all` (too many that were not admitted, of one address or in all), `rate` (too many of one address in a second), `streams` (too many requests before it was admitted), `refused`, `node` (more than one agent needs)",
  outcome:
    "`replaced`: the older one was of the same pod, and was ended; `refused`: it is another pod's, and goes on",
  kind: "of objects, for example `pods`",
  state: "`current`, `behind` or `disconnected`",
  version: "of nodemesh",
  revision: "the commit that the image was made of; `unknown` outside of images",
  node_version: "of Node.js",
  kernel: "of the node, as `uname -r` says",
  resource: "as the API server names it, for example `endpointslices`",
};

/** What prom-client's own collectors (process, Node.js) are named by. */
const DEFAULTS = /^(?:process|nodejs)_/;

/** A metric of control's registry. */
export interface ControlMetric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labelNames: readonly string[];
}

const METRIC: z.ZodType<ControlMetric> = z.object({
  name: z.string(),
  help: z.string(),
  type: z.enum(["counter", "gauge", "histogram"]),
  labelNames: z.array(z.string()),
});

/** Metrics and labels as Markdown. Throws when a label is not explained. */
export function renderControlMetrics(): string {
  const metrics = controlMetrics();
  const labels = [...new Set(metrics.flatMap(({ labelNames }) => labelNames))];
  return [
    "# Metrics of control",
    "",
    "Scraped from `:15020/metrics` of each replica's pod (`:15021` in the simulator). The process's own metrics",
    "(`process_*`, `nodejs_*`) come from prom-client.",
    "",
    "| metric | kind | labels | meaning |",
    "|---|---|---|---|",
    ...metrics.map(rowOf),
    "",
    "| label | values |",
    "|---|---|",
    ...labels.map((label) => `| \`${label}\` | ${helpOf(label)} |`),
  ].join("\n");
}

/** The metrics of a control on a cluster, which shows all of them. Nothing is read: nobody scrapes. */
export function controlMetrics(): readonly ControlMetric[] {
  const publisher = new Publisher("docs");
  const { registry, watch } = makeMetrics({
    publisher,
    agents: new AgentRegistry(() => new Date()),
    pipeline: new Pipeline(publisher, () => undefined),
  });
  watch({ source: { states: () => [] }, leadership: () => ({ leading: false }) });
  return registry
    .getMetricsAsArray()
    .filter(({ name }) => !DEFAULTS.test(name))
    .map((metric) => METRIC.parse(metric));
}

function rowOf({ name, type, labelNames, help }: ControlMetric): string {
  const labels = labelNames.map((label) => `\`${label}\``).join(" ");
  return `| \`${name}\` | ${type} | ${labels || "–"} | ${help} |`;
}

function helpOf(label: string): string {
  const help = LABEL_HELP[label];
  if (help === undefined) throw new Error(`label ${label} of control's metrics is not explained`);
  return help;
}
