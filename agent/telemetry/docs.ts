/** The agent's part of docs/metrics.md, from the table. */

import { METRIC_KEYS, type MetricSpec, specOf } from "./metrics.ts";

/** What the labels' values are. A label without an entry here fails docs.test.ts. */
const LABEL_HELP: Readonly<Record<string, string>> = {
  reporter: "`source`: counted by the agent of the client's node; `destination`: of the server's",
  src_namespace: "namespace of the client pod",
  src_workload: "owner (Deployment, …) of the client pod",
  dst_namespace: "namespace of the server pod; empty when it is not a pod",
  dst_workload: "owner of the server pod; empty when it is not a pod",
  dst_service:
    "`namespace/name` of the Service dialled; empty when a pod was dialled by its address",
  path: "`kernel`, `proxy` or `tunnel`: what carried the bytes",
  security: "`mtls`, `local` (never left the node) or `none`",
  protocol: "`http`, later also `http2`, `grpc`",
  route: "name of the route rule that matched; empty when none did",
  code: "status code of the answer; 0 when there was none",
  reason: "why, from the closed list of refusals",
  rule: "which rule of docs/http.md refused; empty when none did",
  result: "`sent` or `no-budget`",
  port: "port of the Service",
  state: "`ready`, `draining`, `unready` or `ejected`",
  namespace: "namespace of the identity",
  service_account: "service account of the identity",
  event: "what the eBPF programs decided, listed below",
};

/** Metrics, labels and buckets as Markdown. */
export function renderAgentMetrics(): string {
  const specs = METRIC_KEYS.map(specOf);
  const labels = [...new Set(specs.flatMap((spec) => spec.labels))];
  return `# Metrics of the agent

Scraped from \`:15020/metrics\`. Series of workers that nobody changed for 15 minutes leave the output and start
again from zero; what finds no room for a series of its own is counted with the value \`overflow\` in every label.
The process's own metrics (\`process_*\`, \`nodejs_*\`) come from prom-client.

| metric | kind | labels | meaning |
|---|---|---|---|
${specs.map(metricRow).join("\n")}

## Labels

| label | values |
|---|---|
${labels.map((label) => `| \`${label}\` | ${LABEL_HELP[label] ?? ""} |`).join("\n")}

## Buckets

${specs
  .filter((spec) => spec.buckets !== undefined)
  .map((spec) => `- \`${spec.name}\`: ${spec.buckets?.join(", ")}, +Inf`)
  .join("\n")}
`;
}

function metricRow(spec: MetricSpec): string {
  const labels = spec.labels.map((label) => `\`${label}\``).join(" ");
  return `| \`${spec.name}\` | ${spec.kind} | ${labels || "–"} | ${spec.help.replaceAll("|", "\\|")} |`;
}
