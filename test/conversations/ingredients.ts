/**
 * What conversations are made of, by name: so that it can be counted whether each ingredient occurs often enough, and
 * so that `npm run fuzz -- --only NAME` can hold those with one of them and no others.
 */

import type { Answer, Client, Conversation, Endpoint, Happening, Request } from "./conversation.ts";

/** Whether a conversation has an ingredient. */
export type Has = (conversation: Conversation) => boolean;

/** Content of which the kernel's buffers do not hold all. */
const MUCH = 100_000;

const CLIENTS: Readonly<Record<string, Has>> = {
  pipelined: client(({ pipelined, requests }) => pipelined === true && requests.length > 1),
  "byte-by-byte": client(({ piece, requests }) => piece === 1 && requests.length > 0),
  "in-pieces": client(({ piece, requests }) => piece > 1 && requests.length > 0),
  "half-close": client(({ leave }) => leave.kind === "half"),
  "early-fin": client(({ leave }) => leave.kind === "at" && leave.how === "fin"),
  "early-reset": client(({ leave }) => leave.kind === "at" && leave.how === "reset"),
  "late-reset": client(({ leave }) => leave.kind === "done-reset"),
  "waits-for-the-end": client(({ leave }) => leave.kind === "wait"),
  "slow-reader": client(({ deaf, deafFrom }) => deaf !== undefined && deafFrom === undefined),
  "stops-reading": client(({ deafFrom }) => deafFrom !== undefined),
  "no-http": client(({ stream }) => stream !== undefined),
  "server-first": client(({ stream }) => stream?.first === "server"),
};

const REQUESTS: Readonly<Record<string, Has>> = {
  sized: request(({ body }) => body.kind === "length"),
  chunked: request(({ body }) => body.kind === "chunked"),
  trailers: request(({ body }) => body.kind === "chunked" && body.trailer === true),
  "much-content": request(({ body }) => body.kind !== "none" && body.bytes >= MUCH),
  "expect-100": request(({ expect }) => expect === true),
  head: request(({ method }) => method === "HEAD"),
  connect: request(({ method }) => method === "CONNECT"),
  tunnel: request(({ method, answer }) => method === "CONNECT" && answer.stream !== undefined),
  login: request(({ login }) => login === true),
  old: request(({ version }) => version === "1.0"),
  close: request(({ close, version }) => close === true && version === "1.1"),
};

const ANSWERS: Readonly<Record<string, Has>> = {
  "early-answer": answer(({ when }) => when === "head"),
  "interim-103": answer(({ interim }) => interim.includes(103)),
  upgrade: answer(({ stream, status }) => stream !== undefined && status === 101),
  "bytes-behind-answer": request(
    ({ method, answer: { stream, status } }) =>
      method !== "CONNECT" && stream !== undefined && status === 200,
  ),
  "answer-chunked": answer(({ body }) => body.kind === "chunked"),
  "answer-trailers": answer(({ body }) => body.kind === "chunked" && body.trailer === true),
  "no-length": answer(({ body }) => body.kind === "close"),
  "much-answer": answer(({ body }) => body.kind !== "none" && body.bytes >= MUCH),
  "no-content": answer(({ status }) => status === 204 || status === 304),
  "answered-late": answer(({ delay }) => delay > 0),
  "slow-answer": answer(({ gap, piece }) => gap > 0 && piece > 0),
  "cut-by-fin": answer(({ cut, flaky }) => cut?.how === "fin" && !flaky),
  "cut-by-reset": answer(({ cut, flaky }) => cut?.how === "reset" && !flaky),
  "cut-once": answer(({ flaky }) => flaky === true),
  "says-close": answer(({ after }) => after === "close"),
  "ends-behind-answer": answer(({ after }) => after === "fin"),
  "ends-late": answer(({ after }) => after === "late"),
  hang: answer(({ hang }) => hang === true),
  surplus: answer(({ surplus }) => surplus !== undefined),
  challenge: answer(({ challenge }) => challenge === true),
  claim: answer(({ claim }) => claim === true),
};

const SERVERS: Readonly<Record<string, Has>> = {
  "one-at-a-time": endpoint(({ takes }) => takes === "one"),
  refuses: endpoint(({ takes }) => takes === "none"),
  "refuses-beside-others": ({ endpoints }) =>
    endpoints.some(({ takes }) => takes === "none") &&
    endpoints.some(({ takes }) => takes !== "none"),
  "connect-hangs": endpoint(({ full }) => full !== undefined),
  "endpoint-dies": happening(({ kind }) => kind === "die"),
  "endpoint-leaves": happening(({ kind }) => kind === "leave"),
  "endpoint-comes": happening(({ kind }) => kind === "come"),
  unenrolled: happening(({ kind }) => kind === "unenrol"),
};

const PLACES: Readonly<Record<string, Has>> = {
  "to-service": ({ destination }) => destination === "service",
  "own-connections": ({ own }) => own === true,
  "to-pod": ({ destination }) => destination === "pod",
  "to-stranger": ({ destination }) => destination === "stranger",
  inbound: ({ destination }) => destination === "inbound",
  detected: ({ declared }) => declared === "detect",
  bytes: ({ declared }) => declared === "tcp",
};

/** All of them, by name. */
export const INGREDIENTS: Readonly<Record<string, Has>> = {
  ...CLIENTS,
  ...REQUESTS,
  ...ANSWERS,
  ...SERVERS,
  ...PLACES,
};

/** How many of the conversations have each ingredient. */
export function count(conversations: Iterable<Conversation>): ReadonlyMap<string, number> {
  const counts = new Map(Object.keys(INGREDIENTS).map((name) => [name, 0]));
  for (const one of conversations)
    for (const [name, has] of Object.entries(INGREDIENTS))
      if (has(one)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function client(holds: (one: Client) => boolean): Has {
  return ({ clients }) => clients.some(holds);
}

function request(holds: (one: Request) => boolean): Has {
  return client(({ requests }) => requests.some(holds));
}

function answer(holds: (one: Answer) => boolean): Has {
  return request(({ answer }) => holds(answer));
}

function endpoint(holds: (one: Endpoint) => boolean): Has {
  return ({ endpoints }) => endpoints.some(holds);
}

function happening(holds: (one: Happening) => boolean): Has {
  return ({ happenings }) => happenings.some(holds);
}
