/**
 * What makes a random conversation, or a part of one, mean something: contradictions are resolved in favour of what
 * comes first. Settling twice changes nothing. Pure.
 */

import {
  type Answer,
  type Body,
  type Client,
  type Conversation,
  type Endpoint,
  isRead,
  type Leave,
  type Request,
} from "./conversation.ts";
import { answerBytes, requestBytes } from "./wire.ts";

/** How long a client waits for an answer that never comes, milliseconds. */
const PATIENCE_MS = 60;

/** A conversation that means something, as like this one as possible. */
export function settle(conversation: Conversation): Conversation {
  const { own, ...rest } = conversation;
  const { destination, endpoints, clients, happenings } = rest;
  const service = destination === "service";
  const some = endpoints.length > 0 ? endpoints : [{ takes: "all" } as const];
  const kept = (service ? some : some.slice(0, 1)).map(endpoint);
  const bytes = clients[0]?.stream !== undefined && conversation.declared !== "http";
  return {
    ...rest,
    ...(own && service && { own }),
    endpoints: kept,
    clients: (bytes ? clients.slice(0, 1) : clients.filter((one) => one.stream === undefined)).map(
      (one, index) => client(one, index, conversation),
    ),
    happenings: happenings.filter(
      ({ kind, endpoint }) =>
        endpoint < kept.length && (service || kind === "unenrol" || kind === "die"),
    ),
  };
}

/** Where nobody listens no backlog is full. */
function endpoint({ takes, full }: Endpoint): Endpoint {
  return { takes, ...(takes !== "none" && full !== undefined && { full }) };
}

/** The same conversation as it is held without a mesh: with the first server that listens. */
export function withoutMesh(conversation: Conversation): Conversation {
  const { endpoints, happenings } = conversation;
  const first = Math.max(
    0,
    endpoints.findIndex(({ takes }) => takes !== "none"),
  );
  return settle({
    ...conversation,
    destination: "stranger",
    endpoints: endpoints.slice(first, first + 1),
    happenings: happenings
      .filter(({ kind, endpoint }) => kind === "die" && endpoint === first)
      .map((one) => ({ ...one, endpoint: 0 })),
  });
}

function client(client: Client, index: number, conversation: Conversation): Client {
  const { follows, ...rest } = client;
  const requests = untilLast(client.requests.map((one) => request(one, client)));
  return {
    ...rest,
    ...(follows !== undefined && follows < index && { follows }),
    requests,
    leave: leave(client, requests, index, conversation),
  };
}

/** What ends a connection, or makes it a stream, is the last request. */
function untilLast(requests: readonly Request[]): readonly Request[] {
  const last = requests.findIndex(
    ({ close, answer: { stream, hang } }) => close || stream !== undefined || hang,
  );
  return last < 0 ? requests : requests.slice(0, last + 1);
}

function request(request: Request, { pipelined }: Client): Request {
  const old = request.version === "1.0";
  const { expect, ...rest } = request;
  const asksFirst = expect && !pipelined && !old && requestBody(request, old).kind !== "none";
  const body = requestBody(request, old);
  const close = request.close || old;
  return {
    ...rest,
    body,
    ...(close && { close: true }),
    ...(asksFirst && { expect: true }),
    answer: answer({ ...request, ...(close && { close: true }) }, asksFirst === true),
  };
}

/** Chunks came with HTTP/1.1; what follows CONNECT is the tunnel's (RFC 9110 section 9.3.6). */
function requestBody({ method, body }: Request, old: boolean): Body {
  if (method === "CONNECT") return { kind: "none" };
  return old && body.kind === "chunked" ? { kind: "length", bytes: body.bytes } : inChunks(body);
}

function answer(request: Request, asksFirst: boolean): Answer {
  const { hang, stream, cut, surplus, flaky } = request.answer;
  const framed = framedAnswer(request, asksFirst);
  if (hang) return { ...framed, hang: true, when: "whole", interim: asksFirst ? [100] : [] };
  if (stream !== undefined && canStream(request, asksFirst)) {
    const status = framed.status === 101 && request.method !== "CONNECT" ? 101 : 200;
    const { claim: _claim, ...plain } = framed;
    return { ...plain, stream, when: "whole", status, after: "keep" };
  }
  const final: Answer = {
    ...framed,
    status: plainStatus(request, framed.status),
    // The end of an answer without length is the end of the connection.
    ...(framed.body.kind === "close" && framed.after === "keep" && { after: "fin" }),
  };
  if (cut !== undefined) return cutShort(request, final, cut, flaky);
  if (surplus !== undefined && final.body.kind !== "close" && final.after === "keep")
    return { ...final, surplus };
  return final;
}

/** Of an answer that nothing but its own content follows. */
function plainStatus({ method }: Request, status: number): number {
  if (method === "CONNECT" && status < 300) return 403;
  return status === 101 ? 200 : status;
}

/** The answer without its oddities, framed as the request allows. */
function framedAnswer(request: Request, asksFirst: boolean): Answer {
  const { hang: _h, stream, cut: _c, surplus: _s, flaky: _f, ...plain } = request.answer;
  const old = request.version === "1.0";
  const interim = plain.interim.filter((status) => !old && status !== 100);
  const headOnly = request.method === "HEAD" || /^(?:204|304|101)$/.test(String(plain.status));
  const body: Body =
    old && plain.body.kind === "chunked" ? { kind: "close", bytes: 1 } : inChunks(plain.body);
  return {
    ...plain,
    when: request.body.kind === "none" ? "whole" : plain.when,
    interim: asksFirst ? [100, ...interim] : interim,
    body: body.kind === "close" && (headOnly || stream !== undefined) ? { kind: "none" } : body,
    after: request.close ? "close" : plain.after,
  };
}

function canStream({ method, close }: Request, asksFirst: boolean): boolean {
  return method !== "HEAD" && !close && !asksFirst;
}

/** Chunks have something in them, and there are not too many. */
function inChunks(body: Body): Body {
  if (body.kind !== "chunked") return body;
  return { ...body, chunk: Math.max(body.chunk, 1, Math.ceil(body.bytes / 50)) };
}

/** A cut is inside the answer: behind it there is nothing to cut. */
function cutShort(
  { method }: Request,
  answer: Answer,
  { at, how }: NonNullable<Answer["cut"]>,
  flaky: true | undefined,
): Answer {
  const { head, body } = answerBytes(answer, 0, 0, method === "HEAD");
  const most = head.length + body.length - 1;
  if (flaky)
    return {
      ...answer,
      interim: answer.interim.filter((status) => status === 100),
      cut: { at: 0, how },
      flaky: true,
    };
  // Names in the marks may be longer than those of client 0: a few bytes of room.
  return { ...answer, cut: { at: Math.min(at, most), how } };
}

function leave(
  { leave, pipelined }: Client,
  requests: readonly Request[],
  index: number,
  { destination, declared }: Conversation,
): Leave {
  const total = requests
    .map((one, at) => requestBytes(one, index, at))
    .reduce((sum, { head, body }) => sum + head.length + body.length, 0);
  const last = requests.at(-1)?.answer;
  const read = isRead({ destination, declared } as Conversation);
  // Who may be carried as bytes hears of no time-out.
  const refused = read && declared === "http" && leave.kind === "done";
  if (last?.hang && leave.kind !== "at" && !refused)
    return { kind: "at", bytes: total, how: "fin", after: PATIENCE_MS };
  if (last?.stream !== undefined) return { kind: "done" };
  if (leave.kind === "at") return { ...leave, bytes: Math.max(1, Math.min(total, leave.bytes)) };
  const ends = last !== undefined && last.after !== "keep" && last.surplus === undefined;
  const shared = destination === "service" && read;
  if (leave.kind === "wait" && (!ends || pipelined || shared)) return { kind: "done" };
  return leave;
}
