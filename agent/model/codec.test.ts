import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatAddress, unmapAddress } from "./address.ts";
import { decodeDelta, encodeDelta, encodePieces } from "./codec.ts";
import { compressed } from "./compression.ts";
import { DEFAULT_ENROLMENT } from "./enrolment.ts";
import { encodeFrame, FrameReader } from "./frames.ts";
import type { SnapshotDelta } from "./snapshot.ts";
import type { Workload } from "./workload.ts";

const WORKLOAD: Workload = {
  uid: "u1",
  sandboxUid: "0123456789abcdef0123456789abcdef",
  name: "user-1",
  namespace: "shop",
  owner: "user",
  serviceAccount: "default",
  node: "n1",
  addresses: ["10.1.0.2", "fd00::2"],
  enrolment: {
    ...DEFAULT_ENROLMENT,
    excludeOutboundPorts: [{ first: 25, last: 26 }],
    includeOutboundCidrs: ["10.0.0.0/8"],
    accessLog: 0.5,
    trace: "off",
  },
  opaquePorts: [{ first: 3306, last: 3306 }],
  ports: [
    { port: 8080, protocol: "http", service: "order" },
    { port: 9090, protocol: "detect" },
  ],
};

const DELTA: SnapshotDelta = {
  epoch: "e1",
  base: 3,
  version: 5,
  upsertWorkloads: [WORKLOAD],
  removeWorkloads: ["u0"],
  upsertServices: [
    {
      namespace: "shop",
      name: "order",
      addresses: ["10.96.0.10"],
      balance: { kind: "consistent-hash", key: { kind: "cookie", name: "s" } },
      affinitySeconds: 60,
      connections: "own",
      ports: [
        {
          name: "",
          port: 80,
          protocol: "detect",
          endpoints: [
            { address: "10.1.0.3", port: 8080, state: "draining", workload: "u2" },
            { address: "192.0.2.7", port: 8080, state: "ready", onlyFrom: "n1" },
          ],
        },
      ],
    },
  ],
  removeServices: ["shop/old"],
  changeEndpoints: [
    {
      service: "shop/user",
      port: 80,
      upsert: [{ address: "10.1.0.4", port: 8080, state: "ready", workload: "u4" }],
      remove: [{ address: "10.1.0.5", port: 8080 }],
    },
  ],
};

/** DELTA as JSON with one field set (or, given undefined, removed). */
function withField(path: readonly (string | number)[], value: unknown): Uint8Array {
  const message: unknown = JSON.parse(new TextDecoder().decode(encodeDelta(DELTA)));
  const parent = path
    .slice(0, -1)
    .reduce<unknown>((at, key) => Reflect.get(Object(at), key), message);
  Reflect.set(Object(parent), path.at(-1) ?? "", value);
  return new TextEncoder().encode(JSON.stringify(message));
}

test("a delta survives encoding and decoding", () => {
  assert.deepEqual(decodeDelta(encodeDelta(DELTA)), { kind: "delta", delta: DELTA });
});

test("a message has the oldest format that can say it, and format 1 knows no changes of endpoints", () => {
  const formatIn = (delta: SnapshotDelta): unknown =>
    Reflect.get(Object(JSON.parse(new TextDecoder().decode(encodeDelta(delta)))), "format");
  const whole = { ...DELTA, changeEndpoints: [] };
  assert.deepEqual([formatIn(whole), formatIn(DELTA)], [1, 2]);
  const { changeEndpoints: _, ...first } = { format: 1, ...DELTA };
  const decoded = decodeDelta(new TextEncoder().encode(JSON.stringify(first)));
  assert.deepEqual(decoded, { kind: "delta", delta: whole });
});

test("a compressed delta is read like any other, a broken one is refused", () => {
  const upsertWorkloads = Array.from({ length: 50 }, (_, i) => ({ ...WORKLOAD, uid: `u${i}` }));
  const delta = { ...DELTA, upsertWorkloads };
  const frame = compressed(encodeDelta(delta));
  assert.ok(frame.length < encodeDelta(delta).length / 5);
  assert.deepEqual(decodeDelta(frame), { kind: "delta", delta });
  assert.equal(decodeDelta(frame.subarray(0, -1)).kind, "malformed");
});

test("fields of a newer control are ignored", () => {
  const decoded = decodeDelta(withField(["upsertServices", 0, "colour"], "red"));
  assert.deepEqual(decoded, { kind: "delta", delta: DELTA });
});

test("a wrong field refuses the whole and is named", () => {
  const endpoint = ["upsertServices", 0, "ports", 0, "endpoints", 1] as const;
  const cases: readonly (readonly [readonly (string | number)[], unknown, string])[] = [
    [["format"], 4, "format"],
    [["format"], 1, "format"],
    [["format"], 0, "format"],
    [["epoch"], "", "epoch"],
    [["base"], 6, "base"],
    [["version"], -1, "version"],
    [["upsertWorkloads"], undefined, "upsertWorkloads"],
    [["upsertWorkloads", 0], null, "upsertWorkloads[0]"],
    [["upsertWorkloads", 0, "uid"], 7, "upsertWorkloads[0].uid"],
    [["upsertWorkloads", 0, "sandboxUid"], "", "upsertWorkloads[0].sandboxUid"],
    [["upsertWorkloads", 0, "opaquePorts", 0, "last"], 1, "upsertWorkloads[0].opaquePorts[0].last"],
    [["upsertWorkloads", 0, "addresses", 1], "FD00::2", "upsertWorkloads[0].addresses[1]"],
    [["upsertWorkloads", 0, "enrolment", "fail"], "ajar", "upsertWorkloads[0].enrolment.fail"],
    [
      ["upsertWorkloads", 0, "enrolment", "accessLog"],
      1.1,
      "upsertWorkloads[0].enrolment.accessLog",
    ],
    [
      ["upsertWorkloads", 0, "enrolment", "excludeOutboundPorts", 0, "last"],
      24,
      "upsertWorkloads[0].enrolment.excludeOutboundPorts[0].last",
    ],
    [["upsertWorkloads", 0, "enrolment", "trace"], "on", "upsertWorkloads[0].enrolment.trace"],
    [["upsertServices", 0, "balance", "kind"], "best", "upsertServices[0].balance.kind"],
    [["upsertServices", 0, "balance", "key"], {}, "upsertServices[0].balance.key.kind"],
    [["upsertServices", 0, "affinitySeconds"], 0, "upsertServices[0].affinitySeconds"],
    [["upsertServices", 0, "connections"], "none", "upsertServices[0].connections"],
    [[...endpoint, "port"], 65_536, "upsertServices[0].ports[0].endpoints[1].port"],
    [[...endpoint, "address"], "order", "upsertServices[0].ports[0].endpoints[1].address"],
    [[...endpoint, "onlyFrom"], 7, "upsertServices[0].ports[0].endpoints[1].onlyFrom"],
    [["removeServices", 0], {}, "removeServices[0]"],
    [["changeEndpoints"], {}, "changeEndpoints"],
    [["changeEndpoints", 0, "service"], "", "changeEndpoints[0].service"],
    [["changeEndpoints", 0, "port"], undefined, "changeEndpoints[0].port"],
    [["changeEndpoints", 0, "upsert", 0, "state"], "up", "changeEndpoints[0].upsert[0].state"],
    [["changeEndpoints", 0, "remove", 0, "address"], "x", "changeEndpoints[0].remove[0].address"],
  ];
  for (const [path, value, field] of cases) {
    const decoded = decodeDelta(withField(path, value));
    assert.ok(decoded.kind === "malformed", `${path} = ${value} was taken`);
    assert.ok(decoded.field === field || decoded.field.startsWith(field), decoded.field);
  }
});

test("the pieces of a delta are its encoding, an object each", () => {
  const empty = { ...DELTA, upsertWorkloads: [], removeWorkloads: [], upsertServices: [] };
  for (const delta of [DELTA, empty]) {
    const whole = new TextDecoder().decode(encodeDelta(delta));
    assert.equal([...encodePieces(delta)].join(""), whole);
  }
  const pieces = [...encodePieces({ ...DELTA, upsertWorkloads: [WORKLOAD, WORKLOAD] })];
  const longest = Math.max(...pieces.map(({ length }) => length));
  assert.equal(longest, JSON.stringify(WORKLOAD).length + 1);
});

test("damaged bytes never throw, and never make a delta that would not survive encoding", () => {
  const good = encodeDelta(DELTA);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, cut) => {
      const bytes = good.slice(0, cut < good.length / 2 ? good.length : cut);
      bytes[at] = byte;
      const decoded = decodeDelta(bytes);
      if (decoded.kind === "delta")
        assert.deepEqual(decodeDelta(encodeDelta(decoded.delta)), decoded);
    }),
    { numRuns: 2000 },
  );
});

test("addresses of any bytes pass in the form that formatting gives", () => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(bytes, (sixteen) => {
      const address = formatAddress(unmapAddress(sixteen));
      assert.equal(
        decodeDelta(withField(["upsertServices", 0, "addresses", 0], address)).kind,
        "delta",
      );
    }),
  );
});

test("frames come out whole however the stream is cut", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 6 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 9 })), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(encodeFrame));
      const reader = new FrameReader();
      const got: Uint8Array[] = [];
      let at = 0;
      while (at < stream.length) {
        const size = cuts.pop() ?? 5;
        const out = reader.push(new Uint8Array(stream.subarray(at, at + size)));
        assert.ok(out !== "too-long");
        got.push(...out);
        at += size;
      }
      assert.deepEqual(
        got.map((m) => [...m]),
        sent.map((m) => [...m]),
      );
    }),
  );
});

test("an absurd length is refused at once", () => {
  assert.equal(new FrameReader().push(Uint8Array.of(255, 255, 255, 255)), "too-long");
});
