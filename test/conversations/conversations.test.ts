/** 2,000 conversations through the real worker, the regressions, and whether what is held to be right is right. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect, isDeepStrictEqual } from "node:util";
import { assertNoNewDescriptors, openDescriptors } from "../support/descriptors.ts";
import type { Conversation } from "./conversation.ts";
import { confirmed, crowd, type Failure, problemsOf } from "./crowd.ts";
import { generate } from "./generate.ts";
import { count } from "./ingredients.ts";
import { REGRESSIONS } from "./regressions.ts";
import { settle, withoutMesh } from "./settle.ts";
import { shrink } from "./shrink.ts";
import { Stage } from "./stage.ts";
import { pause } from "./wake.ts";

const CONVERSATIONS = 2000;
/** Held without a mesh, to try out what is held to be right. */
const DIRECT = 500;
const AT_ONCE = 150;
/** How long the worker may keep something after the last conversation. */
const LINGER_MS = 10_000;
/** A failure more is not made smaller: that takes time. */
const MADE_SMALLER = 3;

/** Of so many conversations at least so many have each ingredient. */
const COUNTED = 10_000;
const LEAST = 100;

/** The same ones every time, from 1 on; others are held by `npm run fuzz`. */
function seeds(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

async function hold(
  stage: Stage,
  conversations: readonly { readonly seed: number; readonly conversation: Conversation }[],
): Promise<void> {
  const failures: Failure[] = [];
  await crowd(stage, {
    conversations,
    atOnce: AT_ONCE,
    onFailure: (failure) => failures.push(failure),
  });
  const certain = await confirmed(stage, failures);
  const told = await Promise.all(certain.slice(0, MADE_SMALLER).map((one) => tell(stage, one)));
  assert.equal(certain.length, 0, `${certain.length} went wrong:\n${told.join("\n")}`);
  assert.deepEqual(stage.bugs, []);
}

/** What lingers for some seconds, as a peer's last word, may go first. */
async function assertSame<T>(wanted: T, look: () => Promise<T>): Promise<void> {
  const deadline = performance.now() + LINGER_MS;
  while (performance.now() < deadline && !isDeepStrictEqual(await look(), wanted)) await pause(50);
  assert.deepEqual(await look(), wanted, "timers and memory of the worker");
}

async function tell(stage: Stage, { seed, conversation, problems }: Failure): Promise<string> {
  const kinds = new Set(problems.map(({ kind }) => kind));
  const smaller = await shrink(conversation, async (one) =>
    (await problemsOf(stage, one)).some(({ kind }) => kinds.has(kind)),
  );
  const words = problems.map(({ kind, text }) => `  ${kind}: ${text}`).join("\n");
  return `seed ${seed}:\n${words}\n${inspect(smaller, { depth: 20, breakLength: 120 })}`;
}

test(`${CONVERSATIONS} conversations end as they may, and leave nothing behind`, async () => {
  {
    await using first = await Stage.open();
    assert.deepEqual(await problemsOf(first, generate(1)), []);
  }
  const before = openDescriptors();
  {
    await using stage = await Stage.open();
    const held = await stage.held();
    await hold(
      stage,
      seeds(CONVERSATIONS).map((seed) => ({ seed, conversation: generate(seed) })),
    );
    await assertSame(held, () => stage.held());
  }
  // A worker's thread keeps one of its own namespace, which ends with the process.
  const namespaces = [...openDescriptors()].filter(
    ([fd, what]) => what.startsWith("net:") && before.get(fd) !== what,
  );
  for (const [fd, what] of namespaces.slice(0, 1)) before.set(fd, what);
  assertNoNewDescriptors(before, "after all conversations");
});

test("conversations that went wrong once", async () => {
  await using stage = await Stage.open();
  for (const { name, conversation } of REGRESSIONS)
    assert.deepEqual(await problemsOf(stage, conversation), [], name);
});

test("what is held to be right is what happens without a mesh", async () => {
  await using stage = await Stage.open(true);
  await hold(
    stage,
    seeds(DIRECT).map((seed) => ({ seed, conversation: withoutMesh(generate(seed)) })),
  );
});

test("a seed always makes the same conversation, and every one makes sense already", () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const one = generate(seed);
    assert.deepEqual(generate(seed), one);
    assert.deepEqual(settle(one), one);
  }
  for (const { name, conversation } of REGRESSIONS)
    assert.deepEqual(settle(conversation), conversation, name);
});

test("every ingredient of conversations occurs often enough", () => {
  const counts = count(seeds(COUNTED).map(generate));
  const rare = [...counts].filter(([, times]) => times < LEAST);
  assert.deepEqual(rare, []);
});
