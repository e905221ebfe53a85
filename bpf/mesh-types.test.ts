/** The layout of mesh.h's structs as the generated modules have it, in all three objects. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import * as connect from "./connect.gen.ts";
import * as lookup from "./lookup.gen.ts";
import * as sockops from "./sockops.gen.ts";

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const u16 = fc.integer({ min: 0, max: 2 ** 16 - 1 });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const address = fc.record(
  { word: fc.array(u32, { minLength: 4, maxLength: 4 }) },
  { noNullPrototype: true },
);

test("a port key lies as struct port_key does, in every object", () => {
  const key = { prefixLength: u32, direction: u32, pod: u64, port: u16 };
  fc.assert(
    fc.property(fc.record(key, { noNullPrototype: true }), (value) => {
      const expected = new DataView(new ArrayBuffer(24));
      expected.setUint32(0, value.prefixLength, true);
      expected.setUint32(4, value.direction, true);
      expected.setBigUint64(8, value.pod, true);
      expected.setUint16(16, value.port, true);
      for (const { PortKeyCodec } of [connect, lookup, sockops]) {
        const view = new DataView(new Uint8Array(PortKeyCodec.size).fill(0xee).buffer);
        PortKeyCodec.encode(value, view, 0);
        assert.deepEqual(view, expected);
        assert.deepEqual(PortKeyCodec.decode(view, 0), value);
      }
    }),
  );
});

test("a pod and a CIDR key hold their addresses where C has them", () => {
  fc.assert(
    fc.property(u32, address, address, u64, (flags, ipv4, ipv6, pod) => {
      const podView = new DataView(new ArrayBuffer(connect.PodCodec.size));
      const more = { device: 5, settings: 6, listenerPort: 7 };
      connect.PodCodec.encode({ flags, ipv4, ipv6, ...more }, podView, 0);
      const words = Array.from({ length: 12 }, (_, i) => podView.getUint32(i * 4, true));
      assert.deepEqual(words, [flags, 5, ...ipv4.word, ...ipv6.word, 6, 7]);
      const keyView = new DataView(new ArrayBuffer(connect.CidrKeyCodec.size));
      const key = { prefixLength: 128, family: 2, pod, address: ipv6 };
      connect.CidrKeyCodec.encode(key, keyView, 0);
      const keyWords = [0, 4, 16, 20, 24, 28].map((at) => keyView.getUint32(at, true));
      assert.deepEqual(keyWords, [128, 2, ...ipv6.word]);
      assert.equal(keyView.getBigUint64(8, true), pod);
      assert.deepEqual(connect.CidrKeyCodec.decode(keyView, 0), key);
    }),
  );
});

test("flows and the heartbeat have the sizes of their structs", () => {
  const sizes = [connect.FlowCodec, connect.HeartbeatCodec, connect.AddressCodec].map(
    ({ size }) => size,
  );
  assert.deepEqual(sizes, [36, 16, 16]);
});
