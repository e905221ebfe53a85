import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeDelta } from "#model/codec.ts";
import { FrameReader } from "#model/frames.ts";
import type { Service } from "#model/service.ts";
import { EMPTY_SNAPSHOT, type Snapshot } from "#model/snapshot.ts";
import { applyDelta } from "#model/snapshot-delta.ts";
import type { Workload } from "#model/workload.ts";
import { Publisher, type SnapshotParts } from "./publisher.ts";

function workload(uid: string): Workload {
  return {
    uid,
    name: uid,
    namespace: "shop",
    owner: uid,
    serviceAccount: "default",
    node: "n1",
    addresses: [],
    ports: [],
  };
}

function service(name: string): Service {
  return { namespace: "shop", name, addresses: [], balance: { kind: "random" }, ports: [] };
}

function parts(uids: readonly string[], names: readonly string[] = []): SnapshotParts {
  return {
    workloads: new Map(uids.map((uid) => [uid, workload(uid)])),
    services: new Map(names.map((name) => [`shop/${name}`, service(name)])),
  };
}

test("the first publication counts even when the world is empty, later ones only when something changed", () => {
  const publisher = new Publisher("e");
  assert.equal(publisher.publish(parts([])), true);
  assert.equal(publisher.publish(parts([])), false);
  const one = parts(["a"]);
  assert.equal(publisher.publish(one), true);
  assert.equal(publisher.publish({ ...one, services: new Map() }), false);
  assert.equal(publisher.snapshot.version, 2);
});

test("a delta names what came and what went since the asked version", () => {
  const publisher = new Publisher("e");
  const first = parts(["a", "b"], ["x"]);
  publisher.publish(first);
  const c = workload("c");
  publisher.publish({
    workloads: new Map([...first.workloads, ["c", c]]),
    services: first.services,
  });
  publisher.publish({ workloads: new Map([["c", c]]), services: first.services });
  assert.deepEqual(publisher.deltaSince({ epoch: "e", version: 1 }), {
    epoch: "e",
    base: 1,
    version: 3,
    upsertWorkloads: [c],
    removeWorkloads: ["a", "b"],
    upsertServices: [],
    removeServices: [],
  });
});

test("strangers and those from the future get everything", () => {
  const publisher = new Publisher("e");
  publisher.publish(parts(["a"]));
  for (const have of [undefined, { epoch: "other", version: 1 }, { epoch: "e", version: 2 }])
    assert.equal(publisher.deltaSince(have).base, "nothing");
});

test("somebody too far behind gets everything", () => {
  const publisher = new Publisher("e");
  const many = Array.from({ length: 20_000 }, (_, i) => `p${i}`);
  for (let i = 0; i < 4; i++) publisher.publish(parts(many));
  assert.equal(publisher.deltaSince({ epoch: "e", version: 1 }).base, "nothing");
  assert.equal(publisher.deltaSince({ epoch: "e", version: 3 }).base, 3);
});

test("agents that ask now and then arrive where control is, whatever they had", () => {
  const names = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"));
  const step = fc.record({ uids: names, services: names, asks: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
      const publisher = new Publisher("e");
      publisher.publish(parts([]));
      let agent: Snapshot = EMPTY_SNAPSHOT;
      for (const { uids, services, asks } of [
        ...steps,
        { uids: ["a"], services: [], asks: true },
      ]) {
        publisher.publish(parts(uids, services));
        if (!asks) continue;
        const [message] = new FrameReader().push(publisher.frameSince(agent)) as Uint8Array[];
        const decoded = decodeDelta(message ?? new Uint8Array());
        assert.ok(decoded.kind === "delta");
        agent = applyDelta(agent, decoded.delta) ?? agent;
        assert.deepEqual(agent, publisher.snapshot);
      }
    }),
  );
});
