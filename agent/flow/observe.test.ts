import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DEFAULT_ENROLMENT, type Enrolment, type TraceShare } from "#model/enrolment.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";
import { AccessLogger } from "../telemetry/access-log.ts";
import { createLogRing, LogRingReader } from "../telemetry/log-ring.ts";
import { Observer } from "./observe.ts";
import { Observing } from "./observing.ts";
import type { Plan } from "./plan.ts";

const HERE = "a";

/** An enrolled pod of this node that says these words. */
function pod(
  uid: string,
  said: Pick<Enrolment, "accessLog" | "trace"> = {},
  more: Partial<Workload> = {},
): Workload {
  return {
    ...{ uid, name: `${uid}-0`, namespace: "shop", owner: uid, serviceAccount: "default" },
    ...{ node: HERE, addresses: [], ports: [], enrolment: { ...DEFAULT_ENROLMENT, ...said } },
    ...more,
  };
}

const logs = (accessLog: number): Pick<Enrolment, "accessLog"> => ({ accessLog });

function delta(base: SnapshotDelta["base"], upsertWorkloads: readonly Workload[]): SnapshotDelta {
  const lists = {
    removeWorkloads: [],
    upsertServices: [],
    removeServices: [],
    changeEndpoints: [],
  };
  return { epoch: "e", base, version: 1, upsertWorkloads, ...lists };
}

/** The plan of a client's connection to the one pod behind a Service. */
function outbound(source: Workload, target: Workload): Plan {
  const endpoints = [
    { address: "10.1.0.3", port: 80, state: "ready" as const, workload: target.uid },
  ];
  const port = { name: "", port: 80, protocol: "http" as const, endpoints };
  const service = { namespace: "shop", name: "order", addresses: [], ports: [port] };
  const entry = { service: { ...service, balance: { kind: "random" as const } }, port };
  return {
    ...{ direction: "outbound", understanding: "opaque", origin: { kind: "own-address" } },
    nextHop: { kind: "balanced", entry: { ...entry, state: undefined } },
    source,
    destination: { address: "10.96.0.7", port: 80 },
    clientAddress: "10.1.0.2",
  };
}

function inbound(source: Plan["source"], target: Workload): Plan {
  const address = { address: "10.1.0.3", port: 80 };
  return {
    ...outbound(target, target),
    ...{ direction: "inbound", source, nextHop: { kind: "fixed", address, workload: target } },
  };
}

/** What an installation says for pods that say nothing; `drawn`: what is drawn. */
interface Installation {
  readonly accessLog?: number;
  readonly trace?: TraceShare;
  readonly drawn?: number;
}

/** An observer that knows these pods. */
function observerOf(
  pods: readonly Workload[],
  { accessLog = 0, trace, drawn = 0.5 }: Installation = {},
) {
  const observer = new Observer({
    ...{ node: HERE, accessLog, trace, random: () => drawn },
    workload: (uid) => pods.find((one) => one.uid === uid),
  });
  observer.apply(delta("nothing", pods));
  /** Who logs; undefined: nothing is even looked at. */
  const logging = (plan: Plan, server: Workload): readonly string[] | undefined => {
    if (observer.interest(plan) === undefined) return undefined;
    const served = { workload: server, port: 80, node: server.node };
    return observer.logging(plan, served, observer.draw());
  };
  return { observer, logging };
}

describe("who logs", () => {
  test("nothing is looked at while nobody of this node wants any", () => {
    const [user, order] = [pod("user"), pod("order", logs(1), { node: "b" })];
    const { logging } = observerOf([user, order]);
    assert.equal(logging(outbound(user, order), order), undefined);
    const none = pod("none", logs(0));
    assert.equal(observerOf([none, user]).logging(outbound(none, user), user), undefined);
  });

  test("each side's owner decides for its side, the agent of another node for its pods", () => {
    const [loud, mute, far] = [
      pod("loud", logs(1)),
      pod("mute", logs(0)),
      pod("far", logs(1), { node: "b" }),
    ];
    const { logging } = observerOf([loud, mute, far], { accessLog: 1 });
    assert.deepEqual(logging(outbound(loud, mute), mute), ["source"]);
    assert.deepEqual(logging(outbound(mute, loud), loud), ["destination"]);
    assert.deepEqual(logging(outbound(loud, loud), loud), ["source", "destination"]);
    assert.deepEqual(logging(outbound(loud, far), far), ["source"]);
    assert.deepEqual(logging(inbound(far, loud), loud), ["destination"]);
    assert.equal(logging(inbound(far, mute), mute), undefined);
    assert.equal(logging(outbound(mute, far), far), undefined);
  });

  test("a pod that says nothing goes by the installation; outside the mesh there is nothing to ask for", () => {
    const [user, mute] = [pod("user"), pod("mute", logs(0))];
    const { enrolment: _, ...outside } = pod("out");
    const { logging } = observerOf([user, mute, outside], { accessLog: 1 });
    assert.deepEqual(logging(outbound(user, mute), mute), ["source"]);
    assert.deepEqual(logging(outbound(user, outside), outside), ["source"]);
    assert.equal(logging(outbound(mute, outside), outside), undefined);
  });

  test("one draw decides for both sides: what belongs to a share belongs to every larger one", () => {
    const [some, most] = [pod("some", logs(0.2)), pod("most", logs(0.9))];
    const sides = (drawn: number) =>
      observerOf([some, most], { drawn }).logging(outbound(some, most), most);
    assert.deepEqual(sides(0.1), ["source", "destination"]);
    assert.deepEqual(sides(0.5), ["destination"]);
    assert.deepEqual(sides(0.95), []);
  });

  test("who has gone, or asks no more, is not waited for", () => {
    const { observer } = observerOf([pod("user", logs(1))]);
    const plan = outbound(pod("user"), pod("order"));
    observer.apply({ ...delta(1, []), removeWorkloads: ["user"] });
    assert.equal(observer.interest(plan), undefined);
    observer.apply(delta(1, [pod("user", logs(0.5))]));
    observer.apply(delta(1, [pod("user")]));
    assert.equal(observer.interest(plan), undefined);
  });
});

describe("who traces", () => {
  const share = (source: Workload, server: Workload, trace?: TraceShare) => {
    const far = source.node !== HERE;
    const plan = far ? inbound(source, server) : outbound(source, server);
    return observerOf([source, server], trace === undefined ? {} : { trace }).observer.interest(
      plan,
    )?.trace;
  };

  test("nobody while there is nowhere to send spans, whatever pods say", () => {
    const [user, order] = [pod("user", { trace: 1 }), pod("order", { trace: 1 })];
    assert.equal(share(user, order), undefined);
  });

  test("the installation's share holds for pods that say nothing, and a pod's own word wins", () => {
    const [user, order] = [pod("user"), pod("order", {}, { node: "b" })];
    assert.equal(share(user, order, 0.1), 0.1);
    assert.equal(share(user, order, 0), 0);
    assert.equal(share(user, order, "off"), undefined);
    assert.equal(share(pod("user", { trace: 1 }), order, "off"), 1);
    assert.equal(share(pod("user", { trace: "off" }), order, 1), undefined);
  });

  test("a server's word counts where its agent carries, unless the client's side is not looked at", () => {
    const asks = pod("order", { trace: 0.7 });
    assert.equal(share(pod("user"), asks, 0), 0.7);
    assert.equal(share(pod("user", { trace: "off" }), asks, 0), undefined);
    assert.equal(share(pod("user", {}, { node: "b" }), asks, 0), 0.7);
    assert.equal(share(pod("user", { trace: 1 }, { node: "b" }), pod("order"), 0), 0);
  });
});

describe("what lasts long", () => {
  function rig() {
    const pods = [pod("user", logs(1)), pod("order", logs(1))];
    const [user, order] = pods as [Workload, Workload];
    const clock = { now: 0 };
    const ring = createLogRing();
    const reader = new LogRingReader(ring);
    const workload = (uid: string) => pods.find((one) => one.uid === uid);
    const observing = new Observing({
      ...{
        observer: observerOf(pods).observer,
        accessLog: new AccessLogger(ring),
        workload,
        spans: undefined,
      },
      ...{ now: () => clock.now, wallClock: () => 1000 + clock.now },
    });
    const lines = (): readonly Record<string, unknown>[] =>
      new TextDecoder()
        .decode(reader.take())
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line));
    return { observing, clock, lines, plan: outbound(user, order) };
  }

  const endpoint = { address: "10.1.0.3", port: 80, workload: "order" } as never;

  test("a connection is told of every 30 seconds with the bytes so far, and once when it has ended", () => {
    const { observing, clock, lines, plan } = rig();
    const connection = observing.connection(plan, endpoint);
    for (; clock.now < 65_000; clock.now += 1000)
      connection?.goesOn({ sent: clock.now, received: 1 });
    const open = lines().filter(({ reporter }) => reporter === "source");
    const figures = open.map((line) => [line["open"], line["durationMs"], line["sentBytes"]]);
    assert.deepEqual(figures, [
      [true, 30_000, 30_000],
      [true, 60_000, 60_000],
    ]);
    connection?.ended({ sent: 70_000, received: 2 }, undefined);
    const last = lines();
    assert.deepEqual(
      last.map(({ reporter, open: still }) => [reporter, still]),
      [
        ["source", undefined],
        ["destination", undefined],
      ],
    );
    const { source, sourcePod, destination, destinationPod, endpoint: at } = last[0] ?? {};
    assert.deepEqual([source, sourcePod], ["shop/user", "user-0"]);
    assert.deepEqual([destination, destinationPod, at], ["shop/order", "order-0", "10.1.0.3:80"]);
  });

  test("so is a request", () => {
    const { observing, clock, lines, plan } = rig();
    const observed = observing.request(plan, undefined, false);
    const progress = () => ({
      ...{ plan, endpoint, status: 200, durationMs: clock.now, protocol: "http/1.1" as const },
      ...{ probe: false, headMs: 1, requestBytes: 7, responseBytes: clock.now, attempts: 1 },
    });
    for (; clock.now < 61_000; clock.now += 1000) observed?.goesOn(progress());
    observed?.ended(progress(), undefined);
    const source = lines().filter(({ reporter }) => reporter === "source");
    assert.deepEqual(
      source.map((line) => [line["open"], line["receivedBytes"]]),
      [
        [true, 30_000],
        [true, 60_000],
        [undefined, 61_000],
      ],
    );
  });
});
