/** Makes conversations: mostly short and plain ones, each with a few oddities. The same seed makes the same one. */

import type {
  Answer,
  Body,
  Client,
  Conversation,
  Endpoint,
  Happening,
  Leave,
  Request,
  Stream,
} from "./conversation.ts";
import { Random } from "./random.ts";
import { settle } from "./settle.ts";

/** The conversation of a seed. */
export function generate(seed: number): Conversation {
  const random = new Random(Math.imul(seed, 0x9e37_79b1));
  const destination = weighted(random, [
    [60, "service"],
    [16, "pod"],
    [16, "inbound"],
    [8, "stranger"],
  ] as const);
  const declared = weighted(random, [
    [75, "http"],
    [15, "detect"],
    [10, "tcp"],
  ] as const);
  const count = destination === "service" ? random.whole(1, 3) : 1;
  const endpoints = times(count, () => endpoint(random));
  const bytes = declared !== "http" && random.percent(declared === "tcp" ? 50 : 25);
  const clients = bytes
    ? [bytesClient(random)]
    : times(random.whole(1, 3), (index) => client(random, index));
  return settle({
    destination,
    ...(random.percent(8) && { own: true }),
    declared,
    endpoints,
    clients,
    happenings: happenings(random, destination === "service", count),
  });
}

function endpoint(random: Random): Endpoint {
  return {
    takes: weighted(random, [
      [82, "all"],
      [10, "none"],
      [8, "one"],
    ] as const),
    ...(random.percent(3) && { full: random.whole(100, 900) }),
  };
}

function happenings(random: Random, service: boolean, endpoints: number): readonly Happening[] {
  if (!random.percent(12)) return [];
  const at = random.whole(0, 60);
  const endpoint = random.whole(0, endpoints - 1);
  if (!service || random.percent(30))
    return [{ at, kind: random.percent(60) ? "unenrol" : "die", endpoint }];
  if (random.percent(40)) return [{ at, kind: "die", endpoint }];
  const leave: Happening = { at, kind: "leave", endpoint };
  if (random.percent(50)) return [leave];
  return [leave, { at: at + random.whole(1, 40), kind: "come", endpoint }];
}

function client(random: Random, index: number): Client {
  const requests = times(random.whole(1, random.percent(20) ? 8 : 4), () => request(random));
  // Answers that come early meet clients that go on sending for a while, and read afterwards.
  const early = requests.some(({ answer }) => answer.when === "head") && random.percent(40);
  const deaf = early || random.percent(8);
  return {
    start: random.percent(50) ? 0 : random.whole(1, 40),
    ...(index > 0 && random.percent(30) && { follows: random.whole(0, index - 1) }),
    requests,
    ...(random.percent(25) && { pipelined: true }),
    piece: weighted(random, [
      [early ? 10 : 75, 0],
      [10, 1],
      [15, random.whole(2, 2000)],
    ] as const),
    gap: random.percent(early ? 10 : 70) ? 0 : random.whole(1, 3),
    ...(deaf && { deaf: random.whole(20, 200) }),
    ...(deaf && !early && random.percent(60) && { deafFrom: random.whole(1, 5000) }),
    leave: leave(random),
  };
}

function leave(random: Random): Leave {
  const kind = weighted(random, [
    [60, "done"],
    [8, "done-reset"],
    [8, "wait"],
    [10, "half"],
    [14, "at"],
  ] as const);
  if (kind !== "at") return { kind };
  return {
    kind,
    // A share of all its bytes: settle() knows how many there are.
    bytes: random.percent(40) ? Number.MAX_SAFE_INTEGER : random.whole(1, 2000),
    how: random.percent(50) ? "fin" : "reset",
    after: random.percent(60) ? 0 : random.whole(1, 60),
  };
}

function request(random: Random): Request {
  const method = weighted(random, [
    [50, "GET"],
    [25, "POST"],
    [8, "PUT"],
    [7, "HEAD"],
    [5, "DELETE"],
    [5, "OPTIONS"],
    [3, "CONNECT"],
  ] as const);
  const body: Body =
    method === "POST" || method === "PUT" ? content(random, random.percent(1)) : { kind: "none" };
  return {
    method,
    body,
    version: random.percent(4) ? "1.0" : "1.1",
    ...(random.percent(4) && { close: true }),
    ...(random.percent(10) && { expect: true }),
    ...(random.percent(2) && { login: true }),
    answer: method === "CONNECT" ? tunnel(random) : answer(random),
  };
}

/** Mostly a tunnel. */
function tunnel(random: Random): Answer {
  const plain = answer(random);
  return random.percent(70) ? { ...plain, stream: stream(random) } : plain;
}

function answer(random: Random): Answer {
  const body = content(random, random.percent(4));
  return {
    when: random.percent(15) ? "head" : "whole",
    delay: random.percent(70) ? 0 : random.whole(1, 30),
    interim: random.percent(8) ? [103] : [],
    status: random.pick([200, 200, 200, 201, 204, 304, 404, 413, 500]),
    body: random.percent(8) ? { kind: "close", bytes: random.whole(0, 5000) } : body,
    piece: random.percent(75) ? 0 : random.pick([1, 7, 100, 1460, random.whole(1, 5000)]),
    gap: random.percent(70) ? 0 : random.whole(1, 3),
    after: weighted(random, [
      [79, "keep"],
      [7, "close"],
      [7, "fin"],
      [7, "late"],
    ] as const),
    ...oddity(random),
  };
}

function oddity(random: Random): Partial<Answer> {
  const kind = random.whole(0, 99);
  const how = random.percent(50) ? "fin" : "reset";
  if (kind < 5)
    return { cut: { at: random.pick([0, random.whole(1, 100), random.whole(60, 3000)]), how } };
  if (kind < 8) return { cut: { at: 0, how }, flaky: true };
  if (kind < 10) return { hang: true };
  if (kind < 12) return { surplus: random.whole(1, 200) };
  if (kind < 14) return { challenge: true, status: 401 };
  if (kind < 15) return { claim: true, status: 503 };
  if (kind < 19) return { stream: stream(random), status: random.percent(60) ? 101 : 200 };
  return {};
}

function content(random: Random, much: boolean): Body {
  const kind = weighted(random, [
    [10, "none"],
    [55, "length"],
    [35, "chunked"],
  ] as const);
  if (kind === "none") return { kind };
  const bytes = much ? random.whole(100_000, 900_000) : length(random);
  if (kind === "length") return { kind, bytes };
  const chunk = random.whole(1 + Math.floor(bytes / 40), 1 + bytes);
  return { kind, bytes, chunk, ...(random.percent(25) && { trailer: true }) };
}

function length(random: Random): number {
  return weighted(random, [
    [70, random.whole(0, 400)],
    [24, random.whole(400, 20_000)],
    [6, random.whole(20_000, 400_000)],
  ] as const);
}

function bytesClient(random: Random): Client {
  return {
    start: 0,
    requests: [],
    piece: 0,
    gap: 0,
    leave: { kind: "done" },
    stream: { ...stream(random), first: random.percent(70) ? "client" : "server" },
  };
}

function stream(random: Random): Stream {
  return {
    up: 1 + length(random),
    down: 1 + length(random),
    end: random.pick(["client-fin", "server-fin", "client-reset", "server-reset"]),
  };
}

/** `[weight, value]`; the weights of all make 100 or any other sum. */
function weighted<T>(random: Random, choices: readonly (readonly [number, T])[]): T {
  const sum = choices.reduce((total, [weight]) => total + weight, 0);
  let left = random.next() * sum;
  for (const [weight, value] of choices) {
    left -= weight;
    if (left < 0) return value;
  }
  throw new Error("no choices");
}

function times<T>(count: number, make: (index: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
