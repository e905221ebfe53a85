/**
 * Conversations that went wrong once, made smaller. Each is held by every `npm test`. `npm run fuzz` prints new ones.
 */

import type { Answer, Client, Conversation, Request } from "./conversation.ts";

/** A conversation with what went wrong in it. */
export interface Regression {
  readonly name: string;
  readonly conversation: Conversation;
}

const ANSWER: Answer = {
  ...{ when: "whole", delay: 0, interim: [], status: 200, body: { kind: "none" } },
  ...{ piece: 0, gap: 0, after: "keep" },
};

function get(answer: Partial<Answer> = {}): Request {
  return {
    method: "GET",
    body: { kind: "none" },
    version: "1.1",
    answer: { ...ANSWER, ...answer },
  };
}

function post(bytes: number, answer: Partial<Answer> = {}): Request {
  return { ...get(answer), method: "POST", body: { kind: "length", bytes } };
}

function client(requests: readonly Request[], more: Partial<Client> = {}): Client {
  return { start: 0, requests, piece: 0, gap: 0, leave: { kind: "done" }, ...more };
}

function service(clients: readonly Client[], more: Partial<Conversation> = {}): Conversation {
  return {
    ...{ destination: "service", declared: "http", endpoints: [{ takes: "all" }] },
    clients,
    happenings: [],
    ...more,
  };
}

function pod(clients: readonly Client[], more: Partial<Conversation> = {}): Conversation {
  return service(clients, { destination: "pod", ...more });
}

const WITH_DEAD = { endpoints: [{ takes: "all" }, { takes: "none" }] } as const;

/** All of them, by the row of the list of faults. */
export const REGRESSIONS: readonly Regression[] = [
  {
    name: "row 1: a pipelined request with much content, one of two endpoints refuses",
    conversation: service([client([get(), post(223_547)], { pipelined: true })], WITH_DEAD),
  },
  {
    name: "row 2: a request that is never answered, behind one that was",
    conversation: service([client([get(), get({ hang: true })])]),
  },
  {
    name: "row 5: a client ends while a pipelined request is not whole",
    conversation: service([
      client([get({ delay: 20 }), post(9000)], {
        pipelined: true,
        leave: { kind: "at", bytes: 400, how: "fin", after: 0 },
      }),
    ]),
  },
  {
    name: "row 6: a request and a reset right behind it",
    conversation: pod([
      client([post(125)], { leave: { kind: "at", bytes: 195, how: "reset", after: 0 } }),
    ]),
  },
  {
    name: "row 6: a byte behind an upgrade and a reset right behind it",
    conversation: service([
      client([get({ status: 101, stream: { up: 1, down: 0, end: "client-reset" } })]),
    ]),
  },
  {
    name: "row 7: an answer before the end of an upload, to a client that reads later",
    conversation: service([
      client([post(30_000, { when: "head", status: 413, body: { kind: "length", bytes: 3 } })], {
        ...{ piece: 3000, gap: 3, deaf: 100 },
      }),
    ]),
  },
  {
    name: "row 11: bytes both ways behind an answer without length",
    conversation: service([client([get({ stream: { up: 100, down: 100, end: "server-fin" } })])]),
  },
  {
    name: "row 11b: an answer that ends in the middle",
    conversation: service([
      client([get({ body: { kind: "length", bytes: 1 }, cut: { at: 53, how: "fin" } })]),
    ]),
  },
  {
    name: "row 14: another client behind the challenge of a connection-bound authentication",
    conversation: service([
      client([get({ challenge: true, status: 401 })]),
      client([get()], { follows: 0 }),
    ]),
  },
  {
    name: "row 15: another client's POST behind a server that ends late",
    conversation: service([client([get({ after: "late" })]), client([post(10)], { follows: 0 })]),
  },
  {
    name: "row 16: nobody listens at a pod's address",
    conversation: pod([client([get()])], { endpoints: [{ takes: "none" }] }),
  },
  {
    name: "row 16: the server ends behind its answer, and the client waits for that",
    conversation: pod([client([get({ after: "fin" })], { leave: { kind: "wait" } })]),
  },
  {
    name: "row 16: a server that ends instead of answering is not dialled again",
    conversation: pod([client([get({ cut: { at: 0, how: "fin" } }), get()])]),
  },
  {
    name: "row 16: Connection: close of a pod's answer",
    conversation: service([client([get({ after: "close" }), get()])], { destination: "inbound" }),
  },
  {
    name: "row 18: a server outside the mesh claims that it did not see a POST",
    conversation: service([client([post(10, { claim: true, status: 503 })])], {
      endpoints: [{ takes: "all" }, { takes: "all" }],
    }),
  },
  {
    name: "row 19: surplus bytes, and another client behind them",
    conversation: service([
      client([get({ body: { kind: "length", bytes: 10 }, surplus: 40 })]),
      client([get(), get()], { follows: 0 }),
    ]),
  },
  {
    name: "a client ends behind two pipelined requests, of which the second was refused",
    conversation: service([
      client([get(), get({ cut: { at: 0, how: "fin" } })], { pipelined: true }),
    ]),
  },
  {
    name: "a CONNECT that is not granted, answered without length",
    conversation: service(
      [
        client([
          {
            ...get({ status: 403, body: { kind: "close", bytes: 0 }, after: "close" }),
            method: "CONNECT",
          },
        ]),
      ],
      { destination: "inbound" },
    ),
  },
  {
    name: "a client leaves behind a request over a connection that it has back, and that its server ends",
    conversation: service(
      [client([get({ after: "late" }), get(), get()], { leave: { kind: "half" } })],
      {
        endpoints: [{ takes: "all" }, { takes: "all" }],
      },
    ),
  },
  {
    name: "a connect that hangs, beside an endpoint that takes all",
    conversation: service([client([post(10), get()])], {
      endpoints: [{ takes: "all", full: 600 }, { takes: "all" }],
    }),
  },
  {
    name: "a pod's connects hang for a while, and one client leaves meanwhile",
    conversation: pod(
      [
        client([post(10), get()]),
        client([post(10)], { leave: { kind: "at", bytes: 79, how: "reset", after: 100 } }),
      ],
      { endpoints: [{ takes: "all", full: 600 }] },
    ),
  },
  {
    name: "a client stops reading in the middle of an answer that its server resets",
    conversation: service([
      client(
        [
          get({
            ...{ body: { kind: "length", bytes: 400_000 }, piece: 5000, gap: 1 },
            cut: { at: 300_000, how: "reset" },
          }),
        ],
        { deaf: 150, deafFrom: 5000 },
      ),
    ]),
  },
  {
    name: "an endpoint that closes its connection once; a safe request goes to the other",
    conversation: service(
      [
        client([
          get({ cut: { at: 0, how: "reset" }, flaky: true, body: { kind: "length", bytes: 9 } }),
        ]),
      ],
      { endpoints: [{ takes: "all" }, { takes: "all" }] },
    ),
  },
  {
    name: "a pod leaves the mesh in the middle of an answer",
    conversation: service(
      [client([get({ body: { kind: "length", bytes: 300 }, piece: 30, gap: 3 })])],
      { happenings: [{ at: 10, kind: "unenrol", endpoint: 0 }] },
    ),
  },
];
