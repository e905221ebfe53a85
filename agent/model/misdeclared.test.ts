import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_MISDECLARED, type MisdeclaredPort, MisdeclaredPorts } from "./misdeclared.ts";

const TLS: MisdeclaredPort = { kind: "service", service: "shop/order", port: 80, spoken: "tls" };

/** A clock in milliseconds, and ports that are remembered for a second by it. */
class Lab {
  now = 0;
  readonly ports: MisdeclaredPorts = new MisdeclaredPorts(1000, () => this.now);
}

test("a port is noted once, and each other word about it is another", () => {
  const { ports } = new Lab();
  const others: readonly MisdeclaredPort[] = [
    { ...TLS, port: 81 },
    { ...TLS, spoken: "proxy" },
    { ...TLS, service: "shop/user" },
    { kind: "pod", pod: "shop/order", port: 80, spoken: "tls" },
  ];
  for (const port of [TLS, ...others]) {
    assert.equal(ports.note(port), true);
    assert.equal(ports.note({ ...port }), false);
  }
  assert.deepEqual(ports.list(), [TLS, ...others]);
  assert.equal(ports.revision, 5);
});

test("a port is forgotten after its time, however often it is noted, unless it is renewed", () => {
  const lab = new Lab();
  lab.ports.note(TLS);
  lab.now = 999;
  assert.equal(lab.ports.note(TLS), false);
  lab.now = 1000;
  assert.equal(lab.ports.revision, 2, "it has become another list");
  assert.deepEqual(lab.ports.list(), []);
  assert.equal(lab.ports.note(TLS), true);
  lab.now = 1500;
  lab.ports.renew(TLS);
  assert.equal(lab.ports.revision, 3);
  lab.now = 2400;
  assert.deepEqual(lab.ports.list(), [TLS]);
  lab.now = 2500;
  assert.deepEqual(lab.ports.list(), []);
});

test("memory is bounded: what is known stays, what is new waits for room", () => {
  const lab = new Lab();
  for (let port = 1; port <= 1000; port++)
    assert.equal(lab.ports.note({ ...TLS, port }), port <= MAX_MISDECLARED);
  lab.ports.renew({ ...TLS, port: 999 });
  assert.equal(lab.ports.list().length, MAX_MISDECLARED);
  assert.deepEqual(lab.ports.list()[0], { ...TLS, port: 1 });
  lab.now = 1000;
  assert.equal(lab.ports.note({ ...TLS, service: "x".repeat(257) }), false);
  assert.equal(lab.ports.note({ ...TLS, service: "x".repeat(256) }), true);
});
