/**
 * What one change of a large world costs inside an agent: the real store, redirect, data workers and last good file in this
 * process, changes at a steady rate. The kernel is a stand-in, which is no cheating: a change of endpoints writes none of
 * its maps, and that is checked.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeDelta, encodeDelta } from "#model/codec.ts";
import { touches } from "#model/kinds.ts";
import { EMPTY_SNAPSHOT, type Snapshot } from "#model/snapshot.ts";
import { applyDelta, fullDelta } from "#model/snapshot-delta.ts";
import { NO_MAPS } from "../../../agent/kernel/sockets.ts";
import { enrolledOn } from "../../../agent/redirect/contents.ts";
import {
  FakeKernel,
  FakeLocator,
  FakePlaces,
  FakeUsers,
  fakeTables,
} from "../../../agent/redirect/fakes.ts";
import { Redirect, type RedirectKernel } from "../../../agent/redirect/redirect.ts";
import { readSnapshotFile, SnapshotFile } from "../../../agent/state/file.ts";
import { SnapshotStore } from "../../../agent/state/store.ts";
import { createBlock } from "../../../agent/telemetry/block.ts";
import { createLogRing } from "../../../agent/telemetry/log-ring.ts";
import { Workers } from "../../../agent/workers.ts";
import { compile } from "../../../control/compile/compile.ts";
import { Publisher } from "../../../control/publish/publisher.ts";
import { applyChanges } from "../../../control/world.ts";
import { interruption } from "../../harness/process.ts";
import { quantile } from "../lag.ts";
import { changesOf, slice, worldOf } from "../manifests.ts";
import type { Figure } from "../report.ts";
import { nodeName, type Size } from "../world.ts";

const CHANGES = 500;
/** Changes before the first that counts: by then V8 has compiled what runs often. */
const WARM_UP = 50;
const WORKERS = 2;
/** Told to applied is the most that a worker can have paused, and waking it up is in it; longer would show in a p99 of some 4 ms. */
const PAUSE_MS = 10;
/** How often the delay of the event loop is looked at: that much of a delay is none. */
const LOOK_MS = 1;

/** Applies the world, then one change after the other, `perSecond` of them. */
export async function applyFigures(size: Size, perSecond: number): Promise<readonly Figure[]> {
  const { world, changes } = messagesOf(size);
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-scale-agent-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "snapshot");
  const workers = makeWorkers();
  await workers.start();
  stack.defer(() => workers.stop());
  const store = new SnapshotStore(Date.now);
  const redirect = makeRedirect(worldIn(world));
  stack.use(redirect.redirect);
  const file = stack.use(new SnapshotFile({ path, onProblem: fail }));
  const parts = { store, workers, file, redirect: redirect.redirect };
  const first = await take(world, parts);
  const written = redirect.writes();
  if (written === 0) throw new Error("the redirect caught none of the node's pods");

  const spans: Spans[] = [];
  const files = new Set<number>();
  const blocks = monitorEventLoopDelay({ resolution: LOOK_MS });
  let due = performance.now();
  for (const [number, message] of changes.entries()) {
    if (number === WARM_UP) blocks.enable();
    due += 1000 / perSecond;
    const waitMs = Math.max(0, due - performance.now());
    await sleep(waitMs, undefined, { signal: interruption.signal });
    const span = await take(message, parts);
    if (number < WARM_UP) continue;
    spans.push(span);
    files.add(statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  }
  blocks.disable();
  if (redirect.writes() > written)
    throw new Error("a change of endpoints wrote the kernel's maps: stand-ins measure nothing");
  if (files.size < 2) throw new Error("the last good file was not written under changes");
  await file[Symbol.asyncDispose]();
  const kept = await readSnapshotFile(path);
  if (kept.kind !== "snapshot" || kept.snapshot.version !== store.current.version)
    throw new Error("the last good file does not hold the last change");
  return [
    { name: "the whole world as one message", unit: "MB", measured: world.length / 1e6 },
    { name: "main thread: taking the whole world", unit: "ms", measured: first.mainMs },
    { name: "workers: taking the whole world", unit: "ms", measured: first.workersMs },
    ...changeFigures(spans),
    {
      name: "main thread: longest block under changes, the last good file included",
      unit: "ms",
      measured: Math.max(0, blocks.max / 1e6 - LOOK_MS),
    },
    { name: "last good file: replaced under changes", unit: "times", measured: files.size - 1 },
  ];
}

function changeFigures(spans: readonly Spans[]): readonly Figure[] {
  const main = spans.map(({ mainMs }) => mainMs);
  const workers = spans.map(({ workersMs }) => workersMs);
  const one = "main thread: one change and what the last good file took meanwhile";
  const told = "workers: told to applied";
  return [
    { name: `${one}, median`, unit: "ms", measured: quantile(main, 0.5) },
    { name: `${one}, p99`, unit: "ms", measured: quantile(main, 0.99), limit: 5 },
    { name: `${one}, longest`, unit: "ms", measured: Math.max(...main) },
    { name: `${told}, median`, unit: "ms", measured: quantile(workers, 0.5) },
    { name: `${told}, p99`, unit: "ms", measured: quantile(workers, 0.99), limit: PAUSE_MS },
    { name: `${told}, longest`, unit: "ms", measured: Math.max(...workers) },
  ];
}

/** Control's messages: the world, and then one for each change. Made beforehand: control's work is no agent's. */
function messagesOf(size: Size): { world: Uint8Array; changes: readonly Uint8Array[] } {
  let world = worldOf(size);
  let compiled = compile(world);
  const publisher = new Publisher("bench");
  publisher.publish(compiled);
  const whole = encodeDelta(fullDelta(publisher.snapshot));
  const changes = Array.from({ length: CHANGES + WARM_UP }, (_, change) => {
    const have = publisher.snapshot;
    const service = change % size.services;
    const unready = Math.floor(change / size.services) % 2 === 0 ? 3 : -1;
    world = applyChanges(world, changesOf([slice(service, size, unready)]));
    compiled = compile(world, compiled);
    publisher.publish(compiled);
    return encodeDelta(publisher.deltaSince(have));
  });
  return { world: whole, changes };
}

/** One message's way through an agent. */
interface Spans {
  /** The main thread was busy from the message until it could be acknowledged, with it and with anything else. */
  readonly mainMs: number;
  /** From telling the workers until all have answered: no worker can have paused for longer. */
  readonly workersMs: number;
}

interface Parts {
  readonly store: SnapshotStore;
  readonly workers: Workers;
  readonly redirect: Redirect;
  readonly file: SnapshotFile;
}

/** As agent/state/stream.ts and agent/app.ts do it, but for the network. */
async function take(
  message: Uint8Array,
  { store, workers, redirect, file }: Parts,
): Promise<Spans> {
  const before = performance.eventLoopUtilization();
  const decoded = decodeDelta(message);
  if (decoded.kind === "malformed") throw new Error(`${decoded.field} ${decoded.problem}`);
  const applied = store.apply(decoded.delta);
  if (applied.kind === "other-base") throw new Error("a change for another version");
  const told = performance.now();
  await workers.apply(decoded.delta);
  const workersMs = performance.now() - told;
  if (touches(decoded.delta, "redirect")) await redirect.apply(applied.snapshot);
  file.keep(applied.snapshot);
  const { active } = performance.eventLoopUtilization(before);
  return { mainMs: active, workersMs };
}

function fail(text: string): never {
  throw new Error(text);
}

function makeWorkers(): Workers {
  const blocks = Array.from({ length: WORKERS }, () => createBlock());
  return new Workers({
    count: WORKERS,
    metrics: blocks,
    logs: blocks.map(() => createLogRing()),
    onFallback: () => fail("nothing is dialled"),
    onMisdeclared: () => fail("nothing is spoken"),
    settings: {
      node: "n1",
      upstreamMark: 0,
      inboundMark: 0,
      mapFds: NO_MAPS,
      limits: {
        maxHeadBytes: 65_536,
        maxHeaders: 128,
        maxConnections: 100_000,
        maxConnectionsPerPod: 20_000,
        maxBufferedBytesPerPod: 64 << 20,
        maxBufferedBytes: 512 << 20,
      },
      timeouts: {
        connectMs: 2000,
        headMs: 60_000,
        responseHeadMs: 0,
        idleMs: 3_600_000,
        poolIdleMs: 30_000,
        drainMs: 30_000,
      },
      accessLog: 0,
      trace: "off",
    },
    onBug: fail,
    onDeath: (index, error) => fail(`worker ${index}: ${error.stack}`),
  });
}

function worldIn(message: Uint8Array): Snapshot {
  const decoded = decodeDelta(message);
  if (decoded.kind === "malformed") throw new Error(`${decoded.field} ${decoded.problem}`);
  const snapshot = applyDelta(EMPTY_SNAPSHOT, decoded.delta);
  return snapshot ?? fail("the world is no whole snapshot");
}

/** Of a node with its share of the world's pods, all of them caught; `writes` counts what the kernel's maps would get. */
function makeRedirect(world: Snapshot): { redirect: Redirect; writes: () => number } {
  let count = 0;
  const tables = fakeTables(() => {
    count += 1;
  });
  const kernel: RedirectKernel = new FakeKernel();
  Object.assign(kernel, { maps: { ...kernel.maps, ...tables } });
  const locator = new FakeLocator();
  const node = `paper-${nodeName(0)}`;
  for (const [index, uid] of [...enrolledOn(node, world).keys()].entries())
    locator.move(uid, index + 1);
  const places = new FakePlaces();
  const users = new FakeUsers();
  const redirect = new Redirect({ node, workers: WORKERS, kernel, locator, users, places });
  return { redirect, writes: () => count };
}
