/** The agent's part of docs/metrics.md, from the table. */

import { METRIC_KEYS, type MetricSpec, specOf } from "./metrics.ts";

/** What the labels' values are. A label without an entry here fails docs.test.ts. */
const LABEL_HELP: Readonly<Record<string, string>> = {
  reporter: "`source`: counted by the agent of the client's node; `destination`: of the server's",
  src_namespace:
    "namespace of the client pod; `unknown` when it is no pod, empty for kubelet's HTTP probes",
  src_workload:
    "[workload](#workloads) of the client pod; `unknown` when it is no pod, `kubelet` for kubelet's HTTP probes",
  dst_namespace: "namespace of the server pod, or of the Service; `unknown` when neither is known",
  dst_workload:
    "[workload](#workloads) of the server pod; `unknown` when it is no pod or when nobody was reached. Of HTTP connections that clients opened also when the Service's pods are of several workloads",
  dst_service:
    "`namespace/name` of the Service dialled; when a pod was dialled by its address, and for the destination, of the only Service that leads to that port; else empty",
  path: "`kernel`, `proxy` or `tunnel`: what carried the bytes",
  security: "`mtls`, `local` (both ends are on this node) or `none`",
  leg: "`client`: between the agent and who asked; `server`: between the agent and the endpoint",
  protocol: "`http/1.1` (all of HTTP/1), later also `http/2`, `grpc`",
  route: "name of the route rule that matched; empty when none did",
  code: "status code of the answer; `none` when there was none, `other` for what is not from 100 to 599 and for all but the first 32 of one pair",
  reason: "why, from the closed list of refusals",
  rule: "which rule of docs/http.md refused; empty when none did",
  result: "`sent` or `no-budget`",
  port: "port of the Service",
  state: "`ready`, `draining`, `unready` or `ejected`",
  namespace: "namespace of the identity",
  service_account: "service account of the identity",
  event: "what the eBPF programs decided, listed below",
  version: "of nodemesh",
  revision: "the commit that the image was made of; `unknown` outside of images",
  node_version: "of Node.js",
  kernel: "as `uname -r` says",
};

/** Metrics, labels and buckets as Markdown. */
export function renderAgentMetrics(): string {
  const specs = METRIC_KEYS.map(specOf);
  const labels = [...new Set(specs.flatMap((spec) => spec.labels))];
  return `# Metrics of the agent

Scraped from \`:15020/metrics\`. Series of workers that nobody changed for 15 minutes leave the output and start
again from zero; what finds no room for a series of its own is counted with the value \`overflow\` in every label, until
there is room. A worker has room for 3,072 series and 1,536 histograms. A workload of clients (of servers, where it is not
known who asks) may have as many as are left for others, its namespace three times that, and a quarter is kept for
namespaces with few: nobody's Services, codes and refusals take the series of another tenant.
The process's own metrics (\`process_*\`, \`nodejs_*\`) come from prom-client.

Who asks for OpenMetrics 1.0.0 by its \`Accept\` header, as Prometheus does, gets it; everybody else Prometheus' text format
0.0.4. The series are the same, to the values of \`le\`. There are no exemplars, and no \`_created\` samples
([what is there instead](#new-series-begin-at-0)). Control's page is alike.

| metric | kind | labels | meaning |
|---|---|---|---|
${specs.map(metricRow).join("\n")}

## Labels

| label | values |
|---|---|
${labels.map((label) => `| \`${label}\` | ${LABEL_HELP[label] ?? ""} |`).join("\n")}

## What is counted where

Each side of a connection counts it: the agent of the client's node as \`source\` when the client is enrolled, the agent of
the server's node as \`destination\` when the server is. Between pods of one node the one agent counts for both. So
\`reporter="destination"\` has every request that an enrolled server got, whoever sent it, and \`reporter="source"\` every
one that an enrolled client sent; a sum over both counts requests between enrolled pods twice.

Of connections \`source\` has those that clients opened, \`destination\` those that servers got, on whatever node: HTTP clients
share them where they may, so the two differ. A client's HTTP connection is accepted before there is a request, and each
request may go elsewhere: when a Service's pods are on several nodes, or in and outside of the mesh, it is opened and closed
with \`security="none"\`. Requests, their bytes and those of connections have the labels of who served.

Kubelet's HTTP probes are requests of the node for itself: \`src_namespace!=""\` leaves them out. They are told by their
\`User-Agent\` (\`kube-probe/…\`) and by coming from an address of the node; a probe whose \`httpHeaders\` say otherwise counts
as a request of \`unknown\`.

## Where the time goes

An agent has two connections for each that it carries, its legs: to who asked (\`leg="client"\`) and to the endpoint
(\`leg="server"\`). With \`reporter="source"\` the first is the application's own, inside its pod, and the second the way
to the server's node; with \`reporter="destination"\` it is the other way round. Between pods of one node there are these
two only, and both reporters say the same.

What the kernel knows of a leg (\`TCP_INFO\`) is asked once when its connection ends, and every five seconds of one that
lasts (more seldom above 5,000 connections of a worker); only what is new is counted, nothing twice. The server's leg
counts for the pair that it was opened for, however many of the pod's clients ride on it; the client's leg, as all of its
connection, for the destination that was known when it was accepted. Tries that failed have no leg: they are in the wait.

| question | answer |
|---|---|
| the application? | response head seconds ÷ heads of \`destination\`: the server's own time until its answer begins |
| the network? | least round trip ÷ round trips of \`source\`, \`leg="server"\`; (retransmitted − duplicate) ÷ sent segments is the share that was lost |
| the mesh? | endpoint wait of \`source\` per request, and what its response head has beyond that of \`destination\` and a round trip |

Milliseconds are those of a worker's turns: what comes within one turn is of one moment. A segment lost is seen as 200 ms
or more, a retransmission's time-out, in few requests: look at p99 beside the share.

## New series begin at 0

A counter or histogram that is new, here and in [control](#metrics-of-control), is 0 the first time that a scraper sees
it, and what it is from the next scrape on: \`rate()\` and \`increase()\` have its first counts too, one scrape later. A
scraper is who sends \`X-Prometheus-Scrape-Timeout-Seconds\`: Prometheus, also as Agent, Alloy, OpenTelemetry's receiver,
vmagent. Whoever else asks, for example curl, sees what it is at once. Each replica of a Prometheus sees the 0. It is
left out where nobody can be sure: for a series older than 150 seconds (the longest usual interval of scrapes, and some slack),
for who did not scrape for so long, and behind an address that several scrapers of different intervals share.
\`nodemesh_kernel_events_total\` begins with what an agent found when it started, since the kernel counts on without it.
Why so: [decision 34](decisions/34-new-series-begin-at-0.md).

## Workloads

A pod counts as what is rolled out or run again, not as what runs now:

| the pod's controller | its workload |
|---|---|
| a ReplicaSet of a Deployment | the Deployment (the pods' label \`pod-template-hash\` ends the ReplicaSet's name) |
| another ReplicaSet, a StatefulSet, a DaemonSet, any other | that one |
| a Job of a CronJob | the CronJob (the Job's name ends with \`-\` and eight digits, the run's time in minutes) |
| another Job | the Job |
| none | the pod |

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
