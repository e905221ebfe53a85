/** A reporter whose API server breaks at will; test/cluster has it over a real one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CoreV1Api, CustomObjectsApi } from "@kubernetes/client-node";
import type { Workload } from "#model/workload.ts";
import { podsOf } from "../../test/support/enrolled-pods.ts";
import {
  type ObjectServer,
  ObjectStore,
  type StoredObject,
  serveObjects,
} from "../../test/support/object-server.ts";
import { ApiCalls } from "../api-call.ts";
import type { Condition } from "../k8s/api/condition.ts";
import { ApiEndpoint } from "../k8s/endpoint.ts";
import { Reporter } from "./reporter.ts";
import type { WantedStatus } from "./status.ts";

const MESH = "/apis/linkerd.io/v1alpha2/namespaces/shop/servicemeshes/mesh";

function condition(name: string): Condition {
  return {
    ref: { kind: "Pod", namespace: "shop", name },
    reason: "host-network",
    field: "spec.hostNetwork",
    problem: "is true",
    nextStep: "remove it",
  };
}

function wanted(message: string): WantedStatus {
  const ready = { type: "Ready", status: "True", reason: "Enrolled", message };
  return { namespace: "shop", name: "mesh", status: { conditions: [ready] } };
}

/** What a leader's term sees, changed at will. */
class Lab {
  readonly store = new ObjectStore();
  readonly problems: string[] = [];
  conditions: readonly Condition[] = [];
  statuses: readonly WantedStatus[] = [];
  workloads: ReadonlyMap<string, Workload> = new Map();
  /** How often the conditions were looked at. */
  looks = 0;

  /** Reports as a new leader would, until it holds. */
  async term(server: ObjectServer, holds: () => boolean): Promise<void> {
    const stop = new AbortController();
    const reporter = new Reporter({
      core: server.config.makeApiClient(CoreV1Api),
      custom: server.config.makeApiClient(CustomObjectsApi),
      calls: new ApiCalls(new ApiEndpoint(server.config)),
      identity: "control-a",
      conditions: () => {
        this.looks++;
        return this.conditions;
      },
      statuses: () => this.statuses,
      workloads: () => this.workloads,
      uidOf: ({ name }) => `uid-of-${name}`,
      now: Date.now,
      onProblem: (problem) => this.problems.push(problem),
      lookMs: 5,
    });
    const running = reporter.run(stop.signal);
    const deadline = performance.now() + 5000;
    try {
      while (!holds() && performance.now() < deadline) await new Promise(setImmediate);
      assert.ok(holds(), "waited in vain");
    } finally {
      stop.abort();
      await running;
    }
  }

  events(): readonly StoredObject[] {
    return [...this.store.objects].filter(([path]) => path.includes("/events/")).map(([, o]) => o);
  }

  /** How many requests of a method there were. */
  count(method: string): number {
    return this.store.requests.filter((request) => request.method === method).length;
  }
}

test("events are told once, over looks and terms, and what comes back counts up", async () => {
  const lab = new Lab();
  await using server = await serveObjects(lab.store);
  lab.conditions = [condition("a"), condition("b")];
  await lab.term(server, () => lab.events().length === 2);
  assert.deepEqual(
    lab.events().map((event) => [event["reason"], event["count"]]),
    [
      ["HostNetwork", 1],
      ["HostNetwork", 1],
    ],
  );
  // A second term: it lists, and has nothing to add for as long as it is watched.
  const before = lab.looks;
  await lab.term(server, () => lab.looks > before + 3);
  assert.equal(lab.count("POST"), 2);
  assert.equal(lab.count("PATCH"), 0);
  lab.conditions = [condition("b")];
  const gone = lab.looks;
  await lab.term(server, () => {
    if (lab.looks > gone + 2) lab.conditions = [condition("a"), condition("b")];
    return lab.count("PATCH") > 0;
  });
  assert.deepEqual(
    lab
      .events()
      .map((event) => event["count"])
      .sort(),
    [1, 2],
  );
});

test("a pod that comes into the mesh or leaves it has an Event, over terms the same one, warnings or not", async () => {
  const lab = new Lab();
  await using server = await serveObjects(lab.store);
  lab.workloads = podsOf("a b+");
  lab.conditions = [condition("a")];
  /** Lets a new leader look, changes who is enrolled, and waits for the Event of pod a to say it so often. */
  const changed = async (words: string, reason: string, times: number): Promise<void> => {
    const before = lab.looks;
    await lab.term(server, () => {
      if (lab.looks > before + 2) lab.workloads = podsOf(words);
      return lab.events().some((one) => one["reason"] === reason && one["count"] === times);
    });
  };
  await changed("a+ b+", "Enrolled", 1);
  await changed("a b+", "Unenrolled", 1);
  await changed("a+ b+", "Enrolled", 2);
  const said = lab.events().map((one) => [one["type"], one["reason"], one["involvedObject"]]);
  const pod = { kind: "Pod", name: "a", apiVersion: "v1", namespace: "shop", uid: "uid-a" };
  assert.deepEqual(said.slice(1), [
    ["Normal", "Enrolled", pod],
    ["Normal", "Unenrolled", pod],
  ]);
  assert.deepEqual(said[0]?.slice(0, 2), ["Warning", "HostNetwork"]);
});

test("an event that the API server has forgotten is made again", async () => {
  const lab = new Lab();
  await using server = await serveObjects(lab.store);
  lab.conditions = [condition("a")];
  await lab.term(server, () => lab.events().length === 1);
  const [[path] = [""]] = [...lab.store.objects];
  lab.conditions = [];
  const before = lab.looks;
  await lab.term(server, () => {
    // Listed by the new leader and seen to hold no more; then the Event is gone and the problem is back.
    if (lab.looks > before + 2 && lab.conditions.length === 0) {
      lab.store.objects.delete(path);
      lab.conditions = [condition("a")];
    }
    return lab.conditions.length > 0 && lab.events().length === 1;
  });
  assert.equal(lab.events()[0]?.["count"], 1);
});

test("what the API server can't take now is told when it can", async () => {
  const lab = new Lab();
  await using server = await serveObjects(lab.store);
  lab.conditions = [condition("a")];
  lab.store.put(MESH, { spec: {} });
  lab.statuses = [wanted("1 pod")];
  server.fault = "away";
  await lab.term(server, () => {
    if (lab.problems.length > 0) server.fault = "none";
    return lab.events().length === 1 && lab.store.objects.get(MESH)?.["status"] !== undefined;
  });
  assert.deepEqual(lab.problems, ["Events can't be listed: 503: no quorum"]);
});

test("a status is written when it differs, and a conflict is tried again", async () => {
  const lab = new Lab();
  await using server = await serveObjects(lab.store);
  lab.store.put(MESH, { spec: { services: ["webapp"] } });
  lab.statuses = [wanted("1 pod")];
  let meddled = false;
  lab.store.before = ({ method }) => {
    if (method !== "PUT" || meddled) return;
    meddled = true;
    lab.store.put(MESH, { spec: { services: ["webapp", "other"] } });
  };
  await lab.term(server, () => lab.store.objects.get(MESH)?.["status"] !== undefined);
  assert.deepEqual(lab.store.objects.get(MESH)?.["spec"], { services: ["webapp", "other"] });
  assert.match(lab.problems[0] ?? "", /^status of ServiceMesh shop\/mesh: 409/);
  const writes = lab.count("PUT");
  const reads = lab.count("GET");
  // A new leader reads once and finds it right.
  await lab.term(server, () => lab.count("GET") >= reads + 2);
  assert.equal(lab.count("PUT"), writes);
  lab.statuses = [{ ...wanted("gone"), name: "gone" }];
  await lab.term(server, () => lab.count("GET") >= reads + 4);
  assert.equal(lab.problems.length, 1);
});
