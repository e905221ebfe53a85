/** What one change of a large world costs inside an agent: the real store, redirect and data workers in this process. */
import { decodeDelta, encodeDelta } from "#model/codec.ts";
import { fullDelta } from "#model/snapshot-delta.ts";
import { FakeKernel, FakeLocator, FakePlaces } from "../../../agent/redirect/fakes.ts";
import { Redirect, type RedirectKernel } from "../../../agent/redirect/redirect.ts";
import { SnapshotStore } from "../../../agent/state/store.ts";
import { createBlock } from "../../../agent/telemetry/block.ts";
import { Workers } from "../../../agent/workers.ts";
import { compile } from "../../../control/compile/compile.ts";
import { Publisher } from "../../../control/publish/publisher.ts";
import { applyChanges } from "../../../control/world.ts";
import { quantile } from "../lag.ts";
import { changesOf, slice, worldOf } from "../manifests.ts";
import type { Figure } from "../report.ts";
import { nodeName, type Size } from "../world.ts";

const CHANGES = 500;
/** Changes before the first that counts: by then V8 has compiled what runs often. */
const WARM_UP = 50;
const WORKERS = 2;
/** Times that the last good file is made. */
const FILES = 10;

/** Applies the world, then one change after the other. */
export async function applyFigures(size: Size): Promise<readonly Figure[]> {
  let world = worldOf(size);
  let compiled = compile(world);
  const publisher = new Publisher("bench");
  publisher.publish(compiled);
  await using stack = new AsyncDisposableStack();
  const workers = makeWorkers();
  await workers.start();
  stack.defer(() => workers.stop());
  const store = new SnapshotStore(Date.now);
  const redirect = stack.use(makeRedirect(workers));
  const world0 = encodeDelta(fullDelta(publisher.snapshot));
  const first = await take(world0, { store, workers, redirect });
  const spans: Spans[] = [];
  for (let change = 0; change < CHANGES + WARM_UP; change++) {
    const have = publisher.snapshot;
    const service = change % size.services;
    const unready = Math.floor(change / size.services) % 2 === 0 ? 3 : -1;
    world = applyChanges(world, changesOf([slice(service, size, unready)]));
    compiled = compile(world, compiled);
    publisher.publish(compiled);
    const message = encodeDelta(publisher.deltaSince(have));
    const span = await take(message, { store, workers, redirect });
    if (change >= WARM_UP) spans.push(span);
  }
  const files = Array.from({ length: FILES }, () => {
    const from = performance.now();
    encodeDelta(fullDelta(store.current));
    return performance.now() - from;
  });
  const main = spans.map(({ mainMs }) => mainMs);
  const workersTook = spans.map(({ workersMs }) => workersMs);
  return [
    { name: "the whole world as one message", unit: "MB", measured: world0.length / 1e6 },
    { name: "main thread: taking the whole world", unit: "ms", measured: first.mainMs },
    { name: "workers: taking the whole world", unit: "ms", measured: first.workersMs },
    { name: "main thread: one change, median", unit: "ms", measured: quantile(main, 0.5) },
    { name: "main thread: one change, p99", unit: "ms", measured: quantile(main, 0.99), limit: 5 },
    { name: "main thread: one change, longest", unit: "ms", measured: Math.max(...main) },
    { name: "workers: told to applied, median", unit: "ms", measured: quantile(workersTook, 0.5) },
    { name: "workers: told to applied, p99", unit: "ms", measured: quantile(workersTook, 0.99) },
    {
      name: "main thread: encoding the last good file, at most once a second",
      unit: "ms",
      measured: quantile(files, 0.5),
    },
  ];
}

/** One message's way through an agent. */
interface Spans {
  /** The main thread was busy with it, in all. */
  readonly mainMs: number;
  /** From telling the workers until all have answered: no worker can have paused for longer. */
  readonly workersMs: number;
}

interface Parts {
  readonly store: SnapshotStore;
  readonly workers: Workers;
  readonly redirect: Redirect;
}

/** As agent/state/stream.ts and agent/app.ts do it, but for the network. */
async function take(message: Uint8Array, { store, workers, redirect }: Parts): Promise<Spans> {
  const from = performance.now();
  const decoded = decodeDelta(message);
  if (decoded.kind === "malformed") throw new Error(`${decoded.field} ${decoded.problem}`);
  const applied = store.apply(decoded.delta);
  if (applied.kind === "other-base") throw new Error("a change for another version");
  const taken = workers.apply(decoded.delta);
  const told = performance.now();
  await taken;
  const answered = performance.now();
  const redirected = redirect.apply(applied.snapshot);
  const mainMs = told - from + (performance.now() - answered);
  await redirected;
  return { mainMs, workersMs: answered - told };
}

function makeWorkers(): Workers {
  const blocks = Array.from({ length: WORKERS }, () => createBlock());
  const fail = (text: string): never => {
    throw new Error(text);
  };
  return new Workers({
    count: WORKERS,
    metrics: blocks,
    logs: blocks.map(() => undefined),
    settings: {
      node: "n1",
      upstreamMark: 0,
      inboundMark: 0,
      limits: {
        maxHeadBytes: 65_536,
        maxHeaders: 128,
        maxConnectionsPerPod: 20_000,
        maxBufferedBytesPerPod: 64 << 20,
        maxBufferedBytes: 512 << 20,
      },
      timeouts: {
        connectMs: 2000,
        headMs: 60_000,
        requestMs: 0,
        idleMs: 3_600_000,
        poolIdleMs: 30_000,
        drainMs: 30_000,
      },
      accessLog: 0,
    },
    onBug: fail,
    onDeath: (index, error) => fail(`worker ${index}: ${error.stack}`),
  });
}

/** Of a node with its share of the world's pods, none of which can be found: what is measured is the looking. */
function makeRedirect(workers: Workers): Redirect {
  const kernel = Object.assign(new FakeKernel(), {
    attachedPods: (): bigint[] => [],
    counters: (): ReturnType<RedirectKernel["counters"]> => new Map(),
  });
  const locator = new FakeLocator();
  const node = `paper-${nodeName(3)}`;
  const places = new FakePlaces();
  return new Redirect({ node, workers: WORKERS, kernel, locator, users: workers, places });
}
