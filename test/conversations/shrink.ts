/** Makes a failing conversation smaller as long as it fails in the same way. */

import type { Conversation } from "./conversation.ts";
import { settle } from "./settle.ts";

/** Most rounds: each at least drops something, so that all end long before. */
const MAX_ROUNDS = 60;

/** Whether it still fails. */
export type StillFails = (conversation: Conversation) => Promise<boolean>;

/** A conversation that fails and of which no simpler one does; `conversation` itself when it does not fail again. */
export async function shrink(
  conversation: Conversation,
  stillFails: StillFails,
): Promise<Conversation> {
  let smallest = conversation;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const candidates = simpler(smallest);
    const failed = await Promise.all(candidates.map(stillFails));
    const best = candidates
      .filter((_, index) => failed[index])
      .sort((a, b) => weight(a) - weight(b))[0];
    if (best === undefined) return smallest;
    smallest = best;
  }
  return smallest;
}

/** Every conversation with one thing less. */
export function simpler(conversation: Conversation): readonly Conversation[] {
  const limit = weight(conversation);
  const found = new Map<string, Conversation>();
  for (const one of without(conversation)) {
    const settled = settle(one as Conversation);
    if (settled.clients.length > 0 && weight(settled) < limit)
      found.set(JSON.stringify(settled), settled);
  }
  return [...found.values()];
}

/** How much there is in a value: words weigh more than numbers, numbers by their digits. */
function weight(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum, one) => sum + weight(one), 4);
  if (typeof value === "object" && value !== null)
    return Object.values(value).reduce((sum: number, one) => sum + weight(one), 4);
  if (typeof value === "number")
    return value === 0 || value === 200 ? 0 : 1 + Math.log2(Math.abs(value) + 1) / 2;
  return typeof value === "string" ? (PLAIN[value] ?? 3) : 3;
}

/** Words that say less than others. */
const PLAIN: Readonly<Record<string, number>> = {
  ...{ none: 0, keep: 0, whole: 0, all: 0, done: 0, GET: 0, http: 0, "1.1": 0, service: 1 },
  ...{ length: 1, fin: 1, HEAD: 2, POST: 1, PUT: 2, DELETE: 2, OPTIONS: 2 },
  ...{ CONNECT: 2 },
};

const WORDS: Readonly<Record<string, readonly string[]>> = {
  method: ["GET", "POST"],
  takes: ["all"],
  when: ["whole"],
  after: ["keep", "fin"],
  declared: ["http"],
  destination: ["service", "pod"],
  how: ["fin"],
};

function* without(value: unknown, name = ""): Generator<unknown> {
  if (name === "interim") yield [];
  else if (name === "status") yield 200;
  else if (Array.isArray(value)) yield* shorter(value);
  else if (typeof value === "object" && value !== null) yield* plainer(value, name);
  else if (typeof value === "number") yield* lower(value);
  else yield* WORDS[name] ?? [];
}

function* lower(value: number): Generator<number> {
  if (value === 0) return;
  yield 0;
  yield Math.floor(value / 2);
  yield value - 1;
}

function* shorter(values: readonly unknown[]): Generator<unknown> {
  if (values.length > 1) yield values.slice(0, 1);
  for (const at of values.keys()) yield values.toSpliced(at, 1);
  for (const [at, value] of values.entries())
    for (const other of without(value)) yield values.with(at, other);
}

function* plainer(value: object, name: string): Generator<unknown> {
  if (name === "body") yield { kind: "none" };
  if (name === "body" && "bytes" in value) yield { kind: "length", bytes: value.bytes };
  if (name === "leave") yield { kind: "done" };
  for (const [key, inner] of Object.entries(value)) {
    if (OPTIONAL.has(key)) {
      const { [key]: _gone, ...rest } = value as Record<string, unknown>;
      yield rest;
    }
    for (const other of without(inner, key)) yield { ...value, [key]: other };
  }
}

const OPTIONAL: ReadonlySet<string> = new Set([
  ...["trailer", "cut", "flaky", "hang", "surplus", "challenge", "claim", "stream", "close"],
  ...["expect", "login", "follows", "pipelined", "deaf", "deafFrom", "full", "own"],
]);
