/**
 * The dashboards on a real cluster: a Prometheus finds agents and control by the documented configuration, as a pod
 * of a ServiceAccount with the documented rights; clients on both nodes measure each of their requests, of which some
 * fail, are slow, refused or tried elsewhere. What they counted is what Prometheus has, to the last one, and what panels
 * show is what they measured.
 */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { StatusReport } from "../../../../control/cli/status/report.ts";
import { DASHBOARDS } from "../../../../deploy/grafana/dashboards.ts";
import { lookAt, type Seen } from "../../../support/panels.ts";
import type { Prometheus } from "../../../support/prometheus.ts";
import { until } from "../../../support/until.ts";
import { eventually, type KubeObject, TestCluster } from "../../harness/cluster.ts";
import { compareFigures, worstOf } from "../../harness/compared.ts";
import { codesOf, type Metered } from "../../harness/figures.ts";
import { installMesh, nodemesh } from "../../harness/mesh.ts";
import { type MeterOf, type MeterWork, meter } from "../../harness/meter.ts";
import { Monitoring } from "../../harness/monitoring.ts";
import { echoServer, pod, service } from "../../harness/pods.ts";

/** Of a name that no agent has counted for before: its series begin at zero. */
const NAMESPACE = `measured-${Date.now().toString(36)}`;
const ENROLLED = { "mesh/enabled": "true" };
/** Over so many seconds rates are taken: Prometheus scrapes every second. */
const RATE_SECONDS = 15;
/** All looks, and at either end as long as the slowest answer takes. */
const LOAD_SECONDS = 26;
/** After so long everything is scraped, also on a busy machine. */
const SCRAPED_MS = 10_000;
/** Panels that show nothing of a mesh that is well, and of these loads. */
const MAY_BE_EMPTY = [
  "nodemesh / Service: Past the mesh",
  "nodemesh / Workload: Refusals",
  "nodemesh / Control: Agents not admitted",
  "nodemesh / Control: Problems of objects",
  "nodemesh / Control: Kinds that are not followed",
];

/** Durations far from a bucket's bounds, beside which a busy machine's delays are small. */
const [SLOW, SLOWEST] = ["/slow?ms=800", "/slow?ms=2000"];
/** Of ten six are slow, one is slower, one fails and one finds nothing. */
const MIX = [
  ...[SLOW, SLOW, "/status/500", SLOW, "/bytes/1000", SLOW, SLOWEST, SLOW, "/status/404", SLOW],
];

const toOrder = (client: string, enrolled = true): MeterOf => ({
  ...{ namespace: NAMESPACE, client, enrolled, server: "order", service: "order" },
});

/** Those that ask for what is slow. Of what is fast a client on a busy machine measures itself. */
const SLOW_CLIENTS = ["client-near", "client-far"];

/** What is asked while panels are looked at. */
const LOADS: readonly (readonly [MeterOf, Omit<MeterWork, "seconds">])[] = [
  [toOrder("client-near"), { paths: MIX, rate: 100 }],
  [toOrder("client-far"), { paths: MIX, rate: 100 }],
  [toOrder("outsider", false), { paths: ["/bytes/1000"], rate: 20 }],
  // A server that asks another one.
  [toOrder("half"), { paths: ["/bytes/10"], rate: 10 }],
  // One of the two endpoints refuses connections.
  [
    { ...toOrder("client-half"), server: "half", service: "half" },
    { paths: ["/bytes/10"], rate: 10 },
  ],
  // The mesh itself refuses what has no Host.
  [
    { ...toOrder("client-odd"), server: "unknown" },
    { paths: ["!/"], rate: 5 },
  ],
];

const idle = { ports: undefined, readinessProbe: undefined };
const near = { namespace: NAMESPACE, node: "node1", annotations: ENROLLED };
const far = { ...near, node: "node2" };
const spread = {
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: "kubernetes.io/hostname",
      whenUnsatisfiable: "DoNotSchedule",
      labelSelector: { matchLabels: { app: "order" } },
    },
  ],
};

const OBJECTS: readonly KubeObject[] = [
  ...echoServer({ namespace: NAMESPACE, name: "order", annotations: ENROLLED, spec: spread }, 2),
  pod({ ...near, name: "client-near", container: idle }),
  pod({ ...far, name: "client-far", container: idle }),
  pod({ ...far, name: "outsider", annotations: {}, container: idle }),
  pod({ ...near, name: "client-half", container: idle }),
  pod({ ...far, name: "client-odd", container: idle }),
  pod({ ...far, name: "half", labels: { app: "half" } }),
  pod({
    ...{ ...near, name: "deaf", labels: { app: "half" } },
    container: { ...idle, env: [{ name: "PORT", value: "9090" }] },
  }),
  service(NAMESPACE, "half"),
];

/** All of them: two of the Deployment. */
const PODS = OBJECTS.filter(({ kind }) => kind === "Pod").length + 2;

const cluster = new TestCluster();
let monitoring: Monitoring | undefined;
let prometheus: Prometheus;
let requests: readonly Metered[];
/** The last moment at which all loads went on for long. */
let steadyMs = 0;

before(async () => {
  await installMesh(cluster);
  await cluster.namespace(NAMESPACE);
  await cluster.apply(OBJECTS);
  monitoring = await Monitoring.start(cluster);
  prometheus = monitoring.prometheus;
  await enrolled();
  const seconds = LOAD_SECONDS;
  const loads = LOADS.map(([of, work]) => meter(cluster, of, { ...work, seconds }));
  const done = await Promise.all(loads);
  requests = done.flat();
  steadyMs = Math.min(...done.map((of) => Math.max(...of.map(({ endedMs }) => endedMs)))) - 1_500;
});
after(async () => {
  await monitoring?.[Symbol.asyncDispose]();
  await cluster.deleteNamespace(NAMESPACE);
});

/** Waits until all pods are Ready, and caught if they should be. */
async function enrolled(): Promise<void> {
  await eventually(
    "all pods are Ready, and in the mesh if they should be",
    async () => {
      const said = await nodemesh(cluster, "status", "-n", NAMESPACE, "-o", "json");
      const { pods }: StatusReport = JSON.parse(said);
      return (
        pods.filter(({ ready }) => ready).length === PODS &&
        pods.filter(({ path }) => path === "proxy").length === PODS - 1
      );
    },
    60_000,
  );
}

const REQUESTS = "nodemesh_http_requests_total";

/** The sum of an instant query; 0 when there is nothing. */
async function sum(query: string): Promise<number> {
  return (await prometheus.query(`sum(${query})`))[0]?.value ?? 0;
}

/** A counter as Prometheus has it, and what clients have counted. */
interface Counter {
  readonly what: string;
  readonly query: string;
  readonly count: number;
}

/** What the agents have counted of one load, each side, in all and by code. */
function countersOf([{ client, enrolled, server, service: name }]: (typeof LOADS)[number]) {
  const of = requests.filter((one) => one.client === client);
  return ["source", "destination"].flatMap((reporter): readonly Counter[] => {
    const labels = `reporter="${reporter}",src_namespace="${NAMESPACE}",src_workload="${client}",dst_service="${NAMESPACE}/${name}"`;
    const what = `${client}, ${reporter}`;
    const counted = reporter === "source" ? enrolled : server !== "unknown";
    const codes = counted ? [...codesOf(of)] : [];
    return [
      { what, query: `${REQUESTS}{${labels}}`, count: counted ? of.length : 0 },
      ...codes.map(([code, count]) => ({
        ...{ what: `${what}, ${code}`, query: `${REQUESTS}{${labels},code="${code}"}`, count },
      })),
    ];
  });
}

test("what clients counted is what Prometheus has, to the last one", async (t) => {
  const outsiders = requests.filter(({ client }) => client === "outsider");
  const counters: readonly Counter[] = [
    ...LOADS.flatMap(countersOf),
    {
      what: "bytes of bodies",
      query: `nodemesh_http_response_bytes_sum{reporter="destination",src_namespace="${NAMESPACE}",src_workload="outsider"}`,
      count: outsiders.reduce((all, { bytes }) => all + bytes, 0),
    },
    {
      what: "refusals",
      query: `nodemesh_refused_total{src_namespace="${NAMESPACE}",src_workload="client-odd",reason="request-malformed"}`,
      count: requests.filter(({ client }) => client === "client-odd").length,
    },
  ];
  assert.equal(requests.filter(({ code }) => code === 0).length, 0, "a request had no answer");
  // Every agent is scraped once a second.
  const scraped = async (): Promise<boolean> => (await different(counters)).length === 0;
  await until("all is scraped", scraped, SCRAPED_MS).catch(() => undefined);
  assert.deepEqual(await different(counters), []);
  const tried = `nodemesh_retries_total{dst_service="${NAMESPACE}/half",result="sent"}`;
  assert.ok((await sum(tried)) > 0, "no endpoint refused a connection");
  t.diagnostic(
    `${requests.length} requests, ${counters.length} counters compared, differences: 0 unexplained`,
  );
});

/** Those counters that are not what clients have counted, with what they are. */
async function different(counters: readonly Counter[]): Promise<readonly unknown[]> {
  const have = await Promise.all(
    counters.map(async (one) => ({ ...one, has: await sum(one.query) })),
  );
  return have.filter(({ has, count }) => has !== count);
}

describe("dashboards", () => {
  let seen: readonly Seen[];

  before(async () => {
    const look = { atMs: steadyMs, rateSeconds: RATE_SECONDS };
    seen = (await Promise.all(DASHBOARDS.map((one) => lookAt(prometheus, one, look)))).flat();
  });

  test("every query of every panel returns series, whatever is chosen, but where the panel says that there may be none", (t) => {
    const nothing = new Set<string>();
    const something = new Set<string>();
    for (const { dashboard, panel, query, chosen, series } of seen) {
      const at = `${dashboard.title}: ${panel.title}`;
      (series.length > 0 ? something : nothing).add(at);
      if (series.length === 0 && isOurs(chosen))
        assert.ok(panel.empty !== undefined, `${at} is empty: ${query} ${JSON.stringify(chosen)}`);
    }
    const empty = [...nothing].filter((at) => !something.has(at));
    const returned = seen.reduce((all, { series }) => all + series.length, 0);
    t.diagnostic(
      `${DASHBOARDS.length} dashboards, ${nothing.union(something).size} panels, ${seen.length} queries, ${returned} series; empty as they say: ${empty.join(", ")}`,
    );
    const unexpected = empty.filter((at) => !MAY_BE_EMPTY.includes(at));
    assert.deepEqual(unexpected, []);
  });

  test("what panels show is what clients measured", async (t) => {
    const compared = await compareFigures({
      ...{ prometheus, seen, requests, steadyMs, slowClients: SLOW_CLIENTS },
      rateSeconds: RATE_SECONDS,
    });
    const wrong = compared.filter(({ right }) => !right);
    t.diagnostic(`${worstOf(compared)}, differences: ${wrong.length} unexplained`);
    assert.deepEqual(wrong, []);
    // The loads are there: five pairs, a Service and workloads, by code and by client.
    assert.ok(compared.length > 80);
  });
});

/** Whether a choice is of no other test's pods, whose series may end while panels are looked at. */
function isOurs(chosen: Seen["chosen"]): boolean {
  const { namespace, src_namespace: source, service: name } = chosen;
  return [namespace, source, name].every((one) => one === undefined || one.startsWith(NAMESPACE));
}
