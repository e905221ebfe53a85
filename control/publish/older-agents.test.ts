/** What agents are told that are too old for something: nothing that they misread, and nothing that opens what is restricted. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { closedFor } from "#model/closed.ts";
import { decodeDelta } from "#model/codec.ts";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import { FrameReader } from "#model/frames.ts";
import { KIND, valuesIn } from "#model/kinds.ts";
import type { Service } from "#model/service.ts";
import type { Snapshot } from "#model/snapshot.ts";
import { applyDelta } from "#model/snapshot-delta.ts";
import type { Workload } from "#model/workload.ts";
import {
  compiled,
  FORMAT_WITH_POLICIES,
  kindsOfFormat,
  POLICIES,
  type PolicyWorld,
  WITH_POLICIES,
} from "../../test/support/policy-kind.ts";
import { Publisher } from "./publisher.ts";

const UIDS = ["a", "b", "c"];
const FORMATS = Array.from({ length: FORMAT_WITH_POLICIES }, (_, i) => i + 1);

function workload(uid: string, owner: string): Workload {
  const names = { name: uid, namespace: "shop", owner, serviceAccount: "default", node: "n1" };
  const excludeInboundPorts = [{ first: 80, last: 80 }];
  // Pod c is not in the mesh: nothing of it is anybody's to close.
  const enrolment = uid === "c" ? {} : { enrolment: { ...DEFAULT_ENROLMENT, excludeInboundPorts } };
  return { uid, ...names, addresses: [], ...enrolment, ports: [] };
}

function service(state: "ready" | "unready"): Service {
  const endpoints = [
    { address: "10.1.0.1", port: 80, state },
    { address: "10.1.0.2", port: 80, state: "ready" as const },
  ];
  const ports = [{ name: "", port: 80, protocol: "http" as const, endpoints }];
  return { namespace: "shop", name: "x", addresses: [], balance: { kind: "random" }, ports };
}

const someUids = fc.uniqueArray(fc.constantFrom(...UIDS));
const world: fc.Arbitrary<PolicyWorld> = fc.record({
  workloads: fc
    .tuple(someUids, fc.constantFrom("x", "y"))
    .map(([uids, owner]) => uids.map((uid) => workload(uid, owner))),
  services: fc.constantFrom([], [service("ready")], [service("unready")]),
  policies: fc.tuple(fc.option(someUids), fc.option(someUids)).map((denied) =>
    ["p", "q"].flatMap((name, i) => {
      const denies = denied[i] ?? undefined;
      return denies === undefined ? [] : [{ name, denies }];
    }),
  ),
});

/** A reader of one format, which asks now and then. */
class Reader {
  readonly format: number;
  readonly #kinds: ReturnType<typeof kindsOfFormat>;
  snapshot: Snapshot | undefined;

  constructor(format: number) {
    this.format = format;
    this.#kinds = kindsOfFormat(format);
  }

  ask(publisher: Publisher): void {
    const frames = new FrameReader().push(publisher.frameSince(this.snapshot, this.format));
    assert.ok(frames !== "too-long" && frames[0] !== undefined);
    const decoded = decodeDelta(frames[0], this.#kinds);
    assert.equal(decoded.kind, "delta", `format ${this.format}: ${JSON.stringify(decoded)}`);
    if (decoded.kind !== "delta") return;
    const nothing: Snapshot = { epoch: "", version: 0, ...compiled(NOTHING) };
    const next = applyDelta(this.snapshot ?? nothing, decoded.delta, this.#kinds);
    assert.ok(next, `format ${this.format}: changes for another snapshot`);
    this.snapshot = next;
  }
}

const NOTHING: PolicyWorld = { workloads: [], services: [], policies: [] };

/** What a reader must have of a world. */
function expected({ workloads, services, policies }: PolicyWorld, format: number): object {
  const denied = new Set(policies.flatMap(({ denies }) => denies));
  const knows = format >= FORMAT_WITH_POLICIES;
  return {
    workloads: new Map(
      workloads.map((one) => [
        one.uid,
        knows || !denied.has(one.uid) ? one : closedFor(one, format),
      ]),
    ),
    services: new Map(services.map((one) => ["shop/x", one])),
    policies: knows ? new Map(policies.map((one) => [one.name, one])) : undefined,
  };
}

test("each reader has what its format can say, and whom it can't restrict closed, whenever it asks", () => {
  const step = fc.record({ world, asks: fc.subarray(FORMATS) });
  let closed = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 2, maxLength: 12 }), (steps) => {
      const publisher = new Publisher("e", WITH_POLICIES);
      const readers = FORMATS.map((format) => new Reader(format));
      for (const { world, asks } of steps) {
        publisher.publish(compiled(world));
        for (const reader of readers.filter(({ format }) => asks.includes(format))) {
          reader.ask(publisher);
          const snapshot = reader.snapshot as Snapshot;
          const { workloads, services } = snapshot;
          const policies: unknown = valuesIn(snapshot, POLICIES);
          const seen = { workloads, services, policies };
          assert.deepEqual(seen, expected(world, reader.format));
          closed += [...workloads.values()].filter(isClosed).length;
        }
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(closed > 100, `only ${closed} workloads were closed`);
});

function isClosed({ closed }: Workload): boolean {
  return closed === true;
}

test("a closed pod is refused by whom knows the word, kept from strangers by whom does not, and never passes the agent", () => {
  const [one, outside] = [workload("a", "x"), workload("c", "x")];
  const closed = closedFor(one, KIND.workloads.newest);
  assert.equal(closed.closed, true);
  assert.deepEqual(closed.enrolment?.excludeInboundPorts, []);
  const older = closedFor(one, KIND.workloads.newest - 1);
  assert.equal(older.closed, undefined);
  for (const { enrolment } of [closed, older])
    assert.deepEqual([enrolment?.fail, enrolment?.mtls], ["closed", "strict"]);
  assert.equal(closedFor(outside, 3), outside);
});

test("who knows everything is not told workloads anew for what restricts them", () => {
  const publisher = new Publisher("e", WITH_POLICIES);
  const workloads = [workload("a", "x")];
  publisher.publish(compiled({ ...NOTHING, workloads }));
  const policies = [{ name: "p", denies: ["a"] }];
  publisher.publish(compiled({ ...NOTHING, workloads, policies }));
  const have = { epoch: "e", version: 1 };
  assert.deepEqual(publisher.deltaSince(have).upsertWorkloads, []);
  const older = publisher.deltaSince(have, FORMAT_WITH_POLICIES - 1);
  assert.deepEqual(older.upsertWorkloads.map(isClosed), [true]);
});
