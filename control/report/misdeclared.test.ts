import assert from "node:assert/strict";
import { test } from "node:test";
import { CoreV1Api, CustomObjectsApi } from "@kubernetes/client-node";
import type { MisdeclaredPort } from "#model/misdeclared.ts";
import { ObjectStore, serveObjects } from "../../test/support/object-server.ts";
import { ApiCalls } from "../api-call.ts";
import { type Compilation, compile, EMPTY_COMPILATION } from "../compile/compile.ts";
import { service, worldOf } from "../compile/testing.ts";
import { ApiEndpoint } from "../k8s/endpoint.ts";
import { MisdeclaredReports } from "./misdeclared.ts";
import { Reporter } from "./reporter.ts";

const PORTS = [
  { name: "http", port: 80 },
  { name: "http-admin", port: 81 },
];
const WORLD = compile(worldOf(service("order", { clusterIP: "10.96.0.1", ports: PORTS })));
const TLS: MisdeclaredPort = { kind: "service", service: "shop/order", port: 80, spoken: "tls" };

class Lab {
  now = 0;
  compilation: Compilation = WORLD;
  readonly connected: Set<string> = new Set(["n1", "n2"]);
  readonly news: string[] = [];
  readonly reports: MisdeclaredReports = new MisdeclaredReports({
    compilation: () => this.compilation,
    isConnected: (node) => this.connected.has(node),
    now: () => this.now,
    onNew: (node, { port, spoken }) => this.news.push(`${node} ${port} ${spoken}`),
  });

  fields(): readonly string[] {
    return this.reports.conditions().map(({ field }) => field);
  }
}

test("many agents' reports of one port are one condition, said first by one of them", () => {
  const lab = new Lab();
  lab.reports.take("n1", [TLS]);
  lab.reports.take("n2", [TLS, { ...TLS, port: 81 }]);
  lab.reports.take("n2", [TLS, { ...TLS, port: 81 }]);
  assert.deepEqual(lab.fields(), ["spec.ports[0]", "spec.ports[1]"]);
  assert.deepEqual(lab.news, ["n1 80 tls", "n2 81 tls"]);
  assert.equal(lab.reports.conditions(), lab.reports.conditions(), "made once");
});

test("a report ends with the agent's word, with the declaration, and some time after its agent", () => {
  const lab = new Lab();
  lab.reports.take("n1", [TLS]);
  lab.compilation = EMPTY_COMPILATION;
  assert.deepEqual(lab.fields(), []);
  lab.compilation = WORLD;
  assert.deepEqual(lab.fields(), ["spec.ports[0]"]);
  lab.reports.take("n1", []);
  assert.deepEqual(lab.fields(), []);
  lab.reports.take("n1", [TLS]);
  lab.connected.delete("n1");
  lab.now = 10 * 60_000;
  assert.deepEqual(lab.fields(), ["spec.ports[0]"], "it may come back");
  lab.now++;
  assert.deepEqual(lab.fields(), []);
  assert.equal(lab.reports.size, 0);
});

test("memory is bounded, whatever agents say", () => {
  const lab = new Lab();
  const ports = Array.from({ length: 30 }, (_, i) => ({ ...TLS, port: i + 1 }));
  for (let node = 0; node < 700; node++) lab.reports.take(`n${node}`, ports);
  assert.equal(lab.reports.size, 20_000);
  lab.reports.take("n1", []);
  assert.equal(lab.reports.size, 19_970);
});

test("two replicas tell one Event of a port, which nobody's second word makes another", async () => {
  const store = new ObjectStore();
  await using server = await serveObjects(store);
  const stop = new AbortController();
  const labs = [new Lab(), new Lab()];
  const looks = labs.map(() => 0);
  const running = labs.map(({ reports }, replica) => {
    const reporter = new Reporter({
      core: server.config.makeApiClient(CoreV1Api),
      custom: server.config.makeApiClient(CustomObjectsApi),
      calls: new ApiCalls(new ApiEndpoint(server.config)),
      identity: `control-${replica}`,
      conditions: () => {
        looks[replica] = (looks[replica] ?? 0) + 1;
        return reports.conditions();
      },
      statuses: () => [],
      uidOf: () => "u1",
      now: Date.now,
      onProblem: (problem) => assert.fail(problem),
      lookMs: 5,
    });
    return reports.some().then(() => reporter.run(stop.signal));
  });
  const looked = async (more: number): Promise<void> => {
    const goals = looks.map((look) => look + more);
    while (looks.some((look, i) => look < (goals[i] ?? 0))) await new Promise(setImmediate);
  };
  const events = (): readonly unknown[] =>
    [...store.objects].filter(([path]) => path.includes("/events/")).map(([, event]) => event);
  labs[0]?.reports.take("n1", [TLS]);
  labs[1]?.reports.take("n2", [{ ...TLS, spoken: "proxy" }]);
  await looked(3);
  labs[0]?.reports.take("n1", [TLS, { ...TLS, spoken: "other" }]);
  await looked(3);
  stop.abort();
  await Promise.all(running);
  assert.equal(events().length, 1);
  const [event] = events() as [{ reason: string; count: number; involvedObject: object }];
  assert.equal(event.reason, "MisdeclaredPort");
  assert.equal(event.count, 1);
  assert.deepEqual(event.involvedObject, {
    kind: "Service",
    name: "order",
    apiVersion: "v1",
    namespace: "shop",
    uid: "u1",
  });
});
