/**
 * What servers may see: whose requests come on whose connection, how often, and whether they are whole. One rule for
 * all (ARCHITECTURE.md): only safe requests without content ride on a connection that another client opened.
 */

import type { Client, Conversation, Request } from "./conversation.ts";
import { isIdempotent, isSafe } from "./conversation.ts";
import { endsWith, isOwned, servedTo, spansOf } from "./expect.ts";
import type {
  ClientSeen,
  Observation,
  Problem,
  RequestSeen,
  Say,
  ServedSeen,
} from "./observation.ts";
import { contentLength } from "./wire.ts";

/** Every problem with what servers saw. */
export function judgeServers(conversation: Conversation, seen: Observation): readonly Problem[] {
  const problems: Problem[] = [];
  const say = (kind: string, text: string): void => {
    problems.push({ kind, text });
  };
  const isOwn: IsOwn = (client, request) => {
    const served = servedTo(seen.clients[client]);
    return isOwned(conversation, conversation.clients[client] as Client, request, served);
  };
  const times = new Map<string, number>();
  for (const served of seen.served) {
    for (const one of served.requests) {
      const key = `${one.client}/${one.request}`;
      times.set(key, (times.get(key) ?? 0) + 1);
      judgeRequest(conversation, one, say);
    }
    judgeRiders(conversation, served, isOwn, say);
    judgeSurplus(served, say);
  }
  for (const [key, count] of times) {
    const [client = 0, request = 0] = key.split("/").map(Number);
    if (count > 1 && !isIdempotent(requestOf(conversation, client, request)))
      say("repeated", `servers saw request ${key} ${count} times`);
  }
  judgeOwned(conversation, seen, isOwn, say);
  judgeDelivered(conversation, seen, say);
  return problems;
}

/** Whether a request's connection is its client's alone. */
type IsOwn = (client: number, request: number) => boolean;

function judgeRequest(conversation: Conversation, seen: RequestSeen, say: Say): void {
  const { body } = requestOf(conversation, seen.client, seen.request);
  const name = `request ${seen.client}/${seen.request}`;
  if (!seen.right) say("wrong-bytes", `the content of ${name} is not what was sent`);
  if (seen.complete && seen.bytes !== contentLength(body))
    say("wrong-bytes", `${name} has ${seen.bytes} bytes and looks whole at the server`);
}

/** Nobody rides on another's connection but with safe requests; on an owned one nobody does. */
function judgeRiders(
  conversation: Conversation,
  { requests }: ServedSeen,
  isOwn: IsOwn,
  say: Say,
): void {
  const opener = requests[0]?.client;
  for (const [place, { client, request }] of requests.entries()) {
    const own = isOwn(client, request);
    const others = requests.slice(0, place).find((earlier) => earlier.client !== client);
    const rides = isSafe(requestOf(conversation, client, request)) && !conversation.own;
    if (client !== opener && !rides)
      say("rider", `request ${client}/${request} rode on the connection of client ${opener}`);
    const before = requests
      .slice(0, place)
      .find((one) => one.client !== client && belongs(conversation, one, isOwn));
    if (before !== undefined)
      say("login", `client ${client} is on the connection that client ${before.client} owns`);
    if (own && others !== undefined && conversation.destination !== "service")
      say("together", `clients ${client} and ${others.client} share a connection`);
  }
}

/** From this request on, the connection is its client's for good. */
function belongs(
  conversation: Conversation,
  { client, request }: RequestSeen,
  isOwn: IsOwn,
): boolean {
  const of = requestOf(conversation, client, request);
  return of.answer.challenge === true || isOwn(client, request);
}

/** Bytes that nobody asked for end the connection's use. */
function judgeSurplus({ requests, surplusAfter }: ServedSeen, say: Say): void {
  if (surplusAfter === undefined) return;
  const own = requests[surplusAfter - 1]?.client;
  const other = requests.slice(surplusAfter).find(({ client }) => client !== own);
  if (other !== undefined)
    say("surplus", `client ${other.client} was led to a connection with surplus bytes`);
}

/** An owned connection: one client connection, one upstream connection. */
function judgeOwned(
  conversation: Conversation,
  { served }: Observation,
  isOwn: IsOwn,
  say: Say,
): void {
  for (const index of conversation.clients.keys()) {
    const own = served.filter(({ requests }) =>
      requests.some((one) => one.client === index && isOwn(index, one.request)),
    );
    if (own.length > 1)
      say(
        conversation.destination === "service" ? "login" : "together",
        `client ${index} has ${own.length} connections to the server`,
      );
  }
}

/** What was sent before a reset arrives: the first request that was not answered yet, if it was sent whole. */
function judgeDelivered(conversation: Conversation, seen: Observation, say: Say): void {
  if (conversation.happenings.length > 0) return;
  if (!conversation.endpoints.every(({ takes }) => takes === "all")) return;
  for (const [index, client] of conversation.clients.entries()) {
    const at = mustHaveArrived(client, index, seen.clients[index] as ClientSeen);
    const arrived = seen.served.some(({ requests }) =>
      requests.some((one) => one.client === index && one.request === at && one.complete),
    );
    if (at !== undefined && !arrived && !mayBeLost(conversation, index, at))
      say("not-delivered", `request ${index}/${at} was sent whole before the reset, in vain`);
  }
}

/** It may have ridden on a connection that a server was about to end: nobody is there to ask again for. */
function mayBeLost(conversation: Conversation, index: number, at: number): boolean {
  const { clients, destination, own } = conversation;
  if (destination !== "service" || own || !isSafe(requestOf(conversation, index, at))) return false;
  return clients.some(({ requests }, other) => other !== index && requests.some(endsWith));
}

/** A longer request may be in the client's own kernel still when it resets, as may one of many small segments. */
const SURELY_SENT = 16_384;

/** The request that was sent whole right before the client's reset, and that a server was ready to read. */
function mustHaveArrived(client: Client, index: number, seen: ClientSeen): number | undefined {
  const { leave, piece } = client;
  if (piece > 0 || leave.kind !== "at" || leave.how !== "reset" || seen.end !== "own-reset")
    return undefined;
  const at = seen.answers.filter(({ message }) => message.complete).length;
  const span = spansOf(client, index)[at];
  if (span === undefined || seen.sent < span.end || span.end - span.start > SURELY_SENT)
    return undefined;
  const before = client.requests.slice(0, at + 1);
  return before.some(disturbs) || before.slice(0, at).some(endsWith) ? undefined : at;
}

function disturbs({ answer }: Request): boolean {
  return answer.surplus !== undefined || answer.when === "head" || answer.delay > 0;
}

function requestOf(conversation: Conversation, client: number, request: number): Request {
  return conversation.clients[client]?.requests[request] as Request;
}
