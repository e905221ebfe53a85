/**
 * What control costs at scale: 1,000 Services with 10,000 pods, compiled, changed, encoded and decoded; and the time
 * from a renamed file to the swap in an agent's store through the real process. Run: bin/run bench/micro/control-scale.ts
 */

import { decodeDelta, encodeDelta } from "#model/codec.ts";
import { fullDelta } from "#model/snapshot-delta.ts";
import { connectCleartext } from "../../agent/state/session.ts";
import { compile } from "../../control/compile/compile.ts";
import { decodeManifest } from "../../control/k8s/api/decode.ts";
import { Publisher } from "../../control/publish/publisher.ts";
import { applyChanges, type Change, EMPTY_WORLD } from "../../control/world.ts";
import { startAgent, Witness } from "../../test/contract/control-link.ts";
import { startControlProcess } from "../../test/process/control-process.ts";

const SERVICES = 1000;
const PODS_PER_SERVICE = 10;
const ROUNDS = 100;

function podOf(service: number, index: number, generation: number): object {
  const name = `app-${service}-${index}`;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: "shop",
      uid: `uid-${name}-${generation}`,
      labels: { app: `app-${service}` },
      annotations: { "mesh/enabled": "true" },
      ownerReferences: [{ kind: "ReplicaSet", name: `app-${service}-5d4f9`, controller: true }],
    },
    spec: {
      nodeName: `node-${index}`,
      containers: [{ name: "app", ports: [{ containerPort: 8080, name: "http" }] }],
    },
    status: { phase: "Running", podIPs: [{ ip: ipOf(service, index) }] },
  };
}

function ipOf(service: number, index: number): string {
  return `10.${index}.${service >> 8}.${service & 255}`;
}

function serviceOf(service: number): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: `app-${service}`, namespace: "shop" },
    spec: {
      clusterIPs: [`10.96.${service >> 8}.${service & 255}`],
      ports: [{ name: "http", port: 80, targetPort: 8080 }],
    },
  };
}

function sliceOf(service: number, readyCount: number): object {
  const endpoints = Array.from({ length: PODS_PER_SERVICE }, (_, index) => ({
    addresses: [ipOf(service, index)],
    conditions: { ready: index < readyCount },
    targetRef: {
      kind: "Pod",
      name: `app-${service}-${index}`,
      uid: `uid-app-${service}-${index}-0`,
    },
  }));
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `app-${service}-1`,
      namespace: "shop",
      labels: { "kubernetes.io/service-name": `app-${service}` },
    },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080 }],
    endpoints,
  };
}

function* allObjects(): Generator<object> {
  for (let service = 0; service < SERVICES; service++) {
    yield serviceOf(service);
    yield sliceOf(service, PODS_PER_SERVICE);
    for (let index = 0; index < PODS_PER_SERVICE; index++) yield podOf(service, index, 0);
  }
}

function changesOf(objects: Iterable<object>): Change[] {
  const changes: Change[] = [];
  for (const object of objects)
    for (const verdict of decodeManifest(object))
      if (verdict.kind === "object") changes.push({ kind: "apply", object: verdict.object });
  return changes;
}

function timed<T>(what: string, work: () => T): T {
  const from = performance.now();
  const result = work();
  console.log(`${what}: ${(performance.now() - from).toFixed(1)} ms`);
  return result;
}

function median(values: number[]): string {
  const sorted = values.sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(2);
  return `median ${at(0.5)} ms, p90 ${at(0.9)} ms, max ${at(0.999)} ms`;
}

function scale(): void {
  const before = process.memoryUsage().rss;
  const changes = timed("decode 12,000 objects", () => changesOf(allObjects()));
  let world = timed("apply", () => applyChanges(EMPTY_WORLD, changes));
  let compiled = timed("compile from scratch", () => compile(world));
  const publisher = new Publisher("bench");
  publisher.publish(compiled);
  const bytes = timed("encode everything", () => encodeDelta(fullDelta(publisher.snapshot)));
  console.log(`full snapshot: ${bytes.length} bytes`);
  timed("decode everything", () => decodeDelta(bytes));
  const times: number[] = [];
  let cpuMicros = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const change = changesOf([sliceOf(i, i % PODS_PER_SERVICE), podOf(i, 3, i)]);
    const have = publisher.snapshot;
    const from = performance.now();
    const cpu = process.cpuUsage();
    world = applyChanges(world, change);
    compiled = compile(world, compiled);
    publisher.publish(compiled);
    publisher.frameSince(have);
    times.push(performance.now() - from);
    cpuMicros += process.cpuUsage(cpu).user;
  }
  // CPU time too: on a busy machine the wall clock says little. It includes collecting garbage in parallel.
  const cpuText = `${(cpuMicros / ROUNDS / 1000).toFixed(2)} ms of CPU`;
  console.log(`one slice and one pod changed, to frame: ${median(times)}; ${cpuText}`);
  const after = process.memoryUsage().rss;
  console.log(
    `resident: ${(before / 1e6).toFixed(0)} MB before, ${(after / 1e6).toFixed(0)} MB after`,
  );
}

async function fileToSwap(objects: readonly object[], label: string): Promise<void> {
  await using control = await startControlProcess();
  await control.logged("ready");
  const list = { apiVersion: "v1", kind: "List", items: objects };
  await control.put("world.json", list);
  const witness = new Witness();
  await using agent = startAgent(0, witness, {
    connect: () => connectCleartext({ kind: "unix", path: control.listen }),
  });
  agent.store.subscribe(() => witness.changed());
  const wanted = objects.filter((object) => Reflect.get(object, "kind") === "Pod").length;
  await witness.until("the world", () => agent.store.current.workloads.size >= wanted);
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const uid = `uid-app-9999-0-${i}`;
    const text = podOf(9999, 0, i);
    const from = performance.now();
    await control.put("SHOP_POD_x.json", text);
    await witness.until(uid, () => agent.store.current.workloads.has(uid));
    times.push(performance.now() - from);
  }
  console.log(`${label}: write + rename -> store swap: ${median(times)}`);
}

scale();
await fileToSwap([], "empty world");
await fileToSwap([...allObjects()], "10,000 pods");
