import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { decodeDelta, encodeDelta, FORMAT } from "#model/codec.ts";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import type { Snapshot } from "#model/snapshot.ts";
import { fullDelta } from "#model/snapshot-delta.ts";
import type { Workload } from "#model/workload.ts";
import { kindsOfFormat } from "../../test/support/policy-kind.ts";
import { type Pause, readSnapshotFile, SnapshotFile } from "./file.ts";

async function scratch(): Promise<AsyncDisposable & { path: string; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), "nodemesh-file-"));
  return {
    directory,
    path: join(directory, "snapshot"),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

function snapshot(version: number): Snapshot {
  const order = {
    namespace: "shop",
    name: "order",
    addresses: ["10.96.0.1"],
    balance: { kind: "random" },
    ports: [],
  } as const;
  return { epoch: "e", version, workloads: new Map(), services: new Map([["shop/order", order]]) };
}

/** A snapshot of that many pods: some 400 bytes each. */
function manyPods(version: number, count: number): Snapshot {
  const pods = Array.from({ length: count }, (_, index): [string, Workload] => {
    const uid = `uid-${index}`;
    return [
      uid,
      {
        ...{ uid, name: `order-${index}`, namespace: "shop", owner: "order" },
        ...{ serviceAccount: "default", node: `node-${index % 1000}` },
        addresses: [`10.1.${index >> 8}.${index & 255}`],
        enrolment: DEFAULT_ENROLMENT,
        ports: [{ port: 8080, protocol: "http" }],
      },
    ];
  });
  return { ...snapshot(version), workloads: new Map(pods) };
}

/** Writes one snapshot as fast as it goes. */
async function write(path: string, kept: Snapshot): Promise<void> {
  await using file = new SnapshotFile({ path, onProblem: assert.fail });
  file.keep(kept);
}

async function versionAt(path: string): Promise<number | string> {
  const read = await readSnapshotFile(path);
  return read.kind === "snapshot" ? read.snapshot.version : read.kind;
}

/** Pauses that end when the test says so. */
class HeldPauses {
  readonly #waiting: { readonly ms: number; readonly end: () => void }[] = [];
  #asked = Promise.withResolvers<void>();

  readonly pause: Pause = (ms, signal) => {
    if (signal.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ ms, end: resolve });
    signal.addEventListener("abort", () => resolve());
    this.#asked.resolve();
    return promise;
  };

  /** Resolves with the length of the next pause, once it is asked for; it lasts until pass(). */
  async next(): Promise<number> {
    await this.#asked.promise;
    return this.#waiting[0]?.ms ?? Number.NaN;
  }

  pass(): void {
    this.#asked = Promise.withResolvers();
    this.#waiting.shift()?.end();
  }
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

test("a snapshot survives being written and read, and is nobody else's business", async () => {
  await using at = await scratch();
  const large = manyPods(7, 10_000);
  await write(at.path, large);
  assert.deepEqual(await readSnapshotFile(at.path), { kind: "snapshot", snapshot: large });
  assert.deepEqual(await readdir(at.directory), ["snapshot"]);
  assert.equal((await stat(at.path)).mode & 0o777, 0o600);
});

/** A file as the first agents wrote it. */
function firstFile(snapshot: Snapshot): string {
  const body = encodeDelta(fullDelta(snapshot));
  const checksum = createHash("sha256").update(body).digest("hex");
  return `nodemesh-snapshot 1 sha256 ${checksum}\n${new TextDecoder().decode(body)}`;
}

test("a file of an older agent is read, as one that was told less; an older agent reads ours", async () => {
  await using at = await scratch();
  const many = manyPods(7, 500);
  await writeFile(at.path, firstFile(many));
  assert.deepEqual(await readSnapshotFile(at.path), {
    ...{ kind: "snapshot", snapshot: many, outdated: true },
  });
  await write(at.path, many);
  assert.deepEqual(await readSnapshotFile(at.path), { kind: "snapshot", snapshot: many });
  const ours = await readFile(at.path);
  const decoded = decodeDelta(ours.subarray(ours.indexOf("\n") + 1), kindsOfFormat(2));
  assert.deepEqual(decoded, { kind: "delta", delta: fullDelta(many), told: FORMAT });
});

test("a missing file is none", async () => {
  await using at = await scratch();
  assert.deepEqual(await readSnapshotFile(at.path), { kind: "none" });
});

test("a half, flipped, foreign or empty file is refused with a message", async () => {
  await using at = await scratch();
  await write(at.path, snapshot(7));
  const whole = await readFile(at.path);
  const problems: string[] = [];
  const damages = [
    () => truncate(at.path, whole.length >> 1),
    () => {
      const flipped = Buffer.from(whole);
      flipped[whole.length - 3] = 0;
      return writeFile(at.path, flipped);
    },
    () => writeFile(at.path, "hello\n"),
    () => writeFile(at.path, ""),
  ];
  for (const damage of damages) {
    await damage();
    const read = await readSnapshotFile(at.path);
    problems.push(read.kind === "unusable" ? read.problem.replace(at.path, "F") : read.kind);
  }
  assert.deepEqual(problems, [
    "F is damaged: its checksum does not match",
    "F is damaged: its checksum does not match",
    "F is not a snapshot of this format",
    "F is not a snapshot of this format",
  ]);
});

test("nothing is done before the ack is on its way, and a burst is one write of the newest", async () => {
  await using at = await scratch();
  const pauses = new HeldPauses();
  await using file = new SnapshotFile({
    ...{ path: at.path, onProblem: assert.fail },
    pause: pauses.pause,
  });
  for (let version = 1; version <= 50; version++) file.keep(snapshot(version));
  assert.equal(await pauses.next(), 20);
  assert.deepEqual(await readdir(at.directory), []);
  pauses.pass();
  assert.ok((await pauses.next()) < 1000, "the pause after its only slice");
  for (let version = 51; version <= 99; version++) file.keep(snapshot(version));
  pauses.pass();
  assert.equal(await pauses.next(), 1000);
  assert.equal(await versionAt(at.path), 50);
  pauses.pass();
  await pauses.next();
  pauses.pass();
  assert.equal(await pauses.next(), 1000);
  assert.equal(await versionAt(at.path), 99);
});

test("a large world is written in slices far shorter than the whole", async () => {
  await using at = await scratch();
  // Four times the pods of the scale budget: what the collector does in between must not count for much.
  const large = manyPods(1, 40_000);
  const whole: number[] = [];
  const longest: number[] = [];
  // The first run also compiles the code, the collector may fall into any.
  for (let run = 0; run < 3; run++) {
    const began = cpuMs();
    createHash("sha256").update(encodeDelta(fullDelta(large)));
    whole.push(cpuMs() - began);
    longest.push(await longestTurnMs(() => write(at.path, large)));
  }
  assert.ok(
    Math.min(...longest) < Math.min(...whole) / 4,
    `turns of ${longest} ms CPU, the whole at once takes ${whole}`,
  );
});

/** The longest that this thread worked without a turn of its event loop while `work` ran, in ms of CPU. */
async function longestTurnMs(work: () => Promise<void>): Promise<number> {
  let longest = 0;
  let last = cpuMs();
  let working = true;
  const turn = (): void => {
    const now = cpuMs();
    longest = Math.max(longest, now - last);
    last = now;
    if (working) setImmediate(turn);
  };
  turn();
  await work();
  working = false;
  turn();
  return longest;
}

test("between slices the thread is left alone for far longer than they took", async () => {
  await using at = await scratch();
  const large = manyPods(1, 10_000);
  const ratios: number[] = [];
  // The first run also compiles the code, the collector may fall into any.
  for (let run = 0; run < 3; run++) ratios.push(await restPerWork(at.path, large));
  // 19 times what encoding took; starting the writes takes its part too.
  assert.ok(Math.max(...ratios) > 10, `pauses of ${ratios} times the work's CPU`);
});

/** How long a write of this snapshot pauses, in units of this thread's CPU time for the write. */
async function restPerWork(path: string, kept: Snapshot): Promise<number> {
  const pauses: number[] = [];
  const done = Promise.withResolvers<void>();
  const pause: Pause = async (ms) => {
    pauses.push(ms);
    if (ms === 1000) done.resolve();
  };
  await using file = new SnapshotFile({ path, onProblem: assert.fail, pause });
  const began = cpuMs();
  file.keep(kept);
  await done.promise;
  const workedMs = cpuMs() - began;
  return pauses.slice(1, -1).reduce((sum, ms) => sum + ms, 0) / workedMs;
}

test("at the end the newest is written without pauses, also when one is under way", async () => {
  await using at = await scratch();
  const pauses = new HeldPauses();
  {
    await using file = new SnapshotFile({
      ...{ path: at.path, onProblem: assert.fail },
      pause: pauses.pause,
    });
    file.keep(manyPods(1, 2000));
    await pauses.next();
    pauses.pass();
    await pauses.next();
    file.keep(snapshot(2));
    file.keep(snapshot(3));
  }
  assert.equal(await versionAt(at.path), 3);
  assert.deepEqual(await readdir(at.directory), ["snapshot"]);
});

test("a write that fails is reported, and the agent goes on", async () => {
  await using at = await scratch();
  const problems: string[] = [];
  {
    await using file = new SnapshotFile({
      path: join(at.directory, "no", "such"),
      onProblem: (problem) => problems.push(problem),
    });
    file.keep(snapshot(1));
  }
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? "", /ENOENT/);
});
