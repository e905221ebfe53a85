import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeDelta } from "#model/codec.ts";
import { FrameReader } from "#model/frames.ts";
import { type Endpoint, type Service, type ServicePort, serviceKey } from "#model/service.ts";
import { EMPTY_SNAPSHOT, type Snapshot, type SnapshotParts } from "#model/snapshot.ts";
import { applyDelta } from "#model/snapshot-delta.ts";
import type { Workload } from "#model/workload.ts";
import { Publisher } from "./publisher.ts";

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

function endpoint(address: string): Endpoint {
  return { address, port: 8080, state: "ready" };
}

function endpointsService(name: string, addresses: readonly string[]): Service {
  const port: ServicePort = {
    ...{ name: "", port: 80, protocol: "detect" },
    endpoints: addresses.map(endpoint),
  };
  return { ...service(name), ports: [port] };
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
    changeEndpoints: [],
  });
});

test("an endpoint that changed is told alone, to those who can read that", () => {
  const publisher = new Publisher("e");
  const first = endpointsService("x", ["a", "b", "c"]);
  publisher.publish({ workloads: new Map(), services: new Map([["shop/x", first]]) });
  const second = endpointsService("x", ["a", "c", "d"]);
  publisher.publish({ workloads: new Map(), services: new Map([["shop/x", second]]) });
  const have = { epoch: "e", version: 1 };
  const delta = publisher.deltaSince(have);
  assert.deepEqual(delta.upsertServices, []);
  const [upsert, remove] = [[endpoint("d")], [{ address: "b", port: 8080 }]];
  assert.deepEqual(delta.changeEndpoints, [{ service: "shop/x", port: 80, upsert, remove }]);
  const older = publisher.deltaSince(have, 1);
  assert.deepEqual([older.upsertServices, older.changeEndpoints], [[second], []]);
});

test("the same Service in other objects is no new version", () => {
  const publisher = new Publisher("e");
  for (const expected of [true, false]) {
    const services = new Map([["shop/x", endpointsService("x", ["a"])]]);
    assert.equal(publisher.publish({ workloads: new Map(), services }), expected);
  }
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

const ADDRESSES = ["10.0.0.1", "10.0.0.10", "10.0.0.2", "fd00::1"];
const SLOTS = [80, 81].flatMap((port) => ADDRESSES.map((address) => ({ port, address })));

/** A Service with two ports, whose four possible endpoints come, go and change; now and then another word of it does. */
const anyService: fc.Arbitrary<Service> = fc
  .record({
    name: fc.constantFrom("x", "y"),
    affinitySeconds: fc.constantFrom(10, 10, 10, 10, 20),
    states: fc.array(fc.constantFrom("none" as const, "ready" as const, "unready" as const), {
      minLength: SLOTS.length,
      maxLength: SLOTS.length,
    }),
  })
  .map(({ name, affinitySeconds, states }) => {
    const endpointsOf = (of: number): Endpoint[] =>
      SLOTS.flatMap(({ port, address }, slot) => {
        const state = states[slot] ?? "none";
        return port !== of || state === "none" ? [] : [{ address, port: 8080, state }];
      });
    const ports = [80, 81].map(
      (port): ServicePort => ({ name: "", port, protocol: "http", endpoints: endpointsOf(port) }),
    );
    return { ...service(name), affinitySeconds, ports };
  });

test("agents that ask now and then arrive where control is, whatever they had", () => {
  const uids = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"));
  const services = fc.uniqueArray(anyService, { selector: ({ name }) => name, minLength: 1 });
  const asks = fc.constantFrom(undefined, 1, 2);
  const step = fc.record({ uids, services, asks });
  let changes = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 3, maxLength: 15 }), (steps) => {
      const publisher = new Publisher("e");
      publisher.publish(parts([]));
      let agent: Snapshot = EMPTY_SNAPSHOT;
      for (const { uids, services, asks } of [...steps, { uids: ["a"], services: [], asks: 2 }]) {
        const keyed = services.map((service) => [serviceKey(service), service] as const);
        publisher.publish({ ...parts(uids), services: new Map(keyed) });
        if (asks === undefined) continue;
        const frame = publisher.frameSince(agent, asks);
        const [message] = new FrameReader().push(frame) as Uint8Array[];
        const decoded = decodeDelta(message ?? new Uint8Array());
        assert.ok(decoded.kind === "delta");
        changes += decoded.delta.changeEndpoints.length;
        if (asks === 1) assert.deepEqual(decoded.delta.changeEndpoints, []);
        agent = applyDelta(agent, decoded.delta) ?? agent;
        assert.deepEqual(agent, publisher.snapshot);
      }
    }),
  );
  assert.ok(changes > 100, `only ${changes} changes of endpoints were told`);
});
