import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../test/support/until.ts";
import { decodeManifest } from "./k8s/api/decode.ts";
import { Pipeline } from "./pipeline.ts";
import { Publisher } from "./publish/publisher.ts";
import type { Change } from "./world.ts";

/** Of 800 listeners, a quarter of a millisecond for each. */
const GAP_MS = 200;

let address = 0;

function service(name: string): Change {
  const clusterIP = `10.96.0.${++address}`;
  const spec = { clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80 }] };
  const [decoded] = decodeManifest({ apiVersion: "v1", kind: "Service", metadata: { name }, spec });
  assert.ok(decoded?.kind === "object");
  return { kind: "apply", object: decoded.object };
}

/** A pipeline whose publications are counted by a number of listeners. */
function rig(listeners: number): { pipeline: Pipeline; publisher: Publisher; at: number[] } {
  const publisher = new Publisher("test");
  const pipeline = new Pipeline(publisher, () => {});
  const at: number[] = [];
  publisher.subscribe(() => at.push(performance.now()));
  for (let i = 1; i < listeners; i++) publisher.subscribe(() => {});
  pipeline.start(() => []);
  return { pipeline, publisher, at };
}

test("with few agents each turn of the loop is published by itself", async () => {
  const { pipeline, publisher } = rig(1);
  const from = publisher.snapshot.version;
  for (const [before, name] of ["a", "b", "c"].entries()) {
    pipeline.take([service(name)]);
    await until(`${name} is published`, () => publisher.snapshot.version > from + before);
  }
  assert.equal(publisher.snapshot.version, from + 3);
});

test("with many agents a burst is published in one piece after the gap, and nothing is lost", async () => {
  const { pipeline, publisher, at } = rig(800);
  await sleep(GAP_MS + 50); // the quiet time
  const from = publisher.snapshot.version;
  const began = performance.now();
  pipeline.take([service("first")]);
  await until("after a quiet time at once", () => publisher.snapshot.version > from);
  for (let i = 0; i < 10; i++) pipeline.take([service(`burst-${i}`)]);
  await until("the burst is published", () => publisher.snapshot.version > from + 1);
  assert.equal(publisher.snapshot.version, from + 2);
  assert.ok((at.at(-1) ?? 0) - began >= GAP_MS - 10, "before the gap was over");
  assert.equal(publisher.snapshot.services.size, pipeline.world.services.size);
  assert.equal(publisher.snapshot.services.size, 11);
});
