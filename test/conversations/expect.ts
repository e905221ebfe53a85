/**
 * What may come of a request: the set that a direct connection could deliver, and the refusals with which the mesh
 * may answer instead. Pure. `hold` with a direct stage tries it out without a mesh.
 */

import type { Client, Conversation, Ending, Request } from "./conversation.ts";
import { isIdempotent, isRead, isSafe } from "./conversation.ts";
import { answerBytes, contentWithin, requestBytes } from "./wire.ts";

/** What may come of one request. */
export interface Allowed {
  /** Its whole answer. */
  whole: boolean;
  /** An answer of the mesh's own with one of these reasons; `any` stands for all. */
  readonly refusals: Set<string>;
  /** Nothing at all, and one of these ends. */
  readonly nothing: Set<Ending>;
  /** A part of its answer, between so many bytes of content, and one of these ends. */
  cut: { least: number; most: number; readonly ends: Set<Ending> } | undefined;
}

/** Where a request is in the bytes of its client's requests. */
export interface Span {
  readonly start: number;
  /** Behind its head. */
  readonly body: number;
  readonly end: number;
}

/** The spans of a client's requests. */
export function spansOf({ requests }: Client, index: number): readonly Span[] {
  let start = 0;
  return requests.map((request, at) => {
    const { head, body } = requestBytes(request, index, at);
    const span = { start, body: start + head.length, end: start + head.length + body.length };
    start = span.end;
    return span;
  });
}

/**
 * Whether the request's connection belongs to its client alone: everything but services that are read as HTTP, and
 * these from the first word of a connection-bound authentication on.
 */
export function isOwned(conversation: Conversation, client: Client, at: number): boolean {
  if (conversation.destination !== "service" || !isRead(conversation)) return true;
  return client.requests.some(
    ({ login, answer }, index) => (login && index <= at) || (answer.challenge && index < at),
  );
}

/** Whether the server ends the connection with this answer, and says so or not. */
export function endsWith({ answer }: Request): boolean {
  return answer.after !== "keep" || answer.cut !== undefined || answer.hang === true;
}

/**
 * What may come of request `at` of the client with this index, when all before it was answered; `refused`: the one
 * right before it by the mesh.
 */
export function expect(
  conversation: Conversation,
  index: number,
  at: number,
  refused = false,
): Allowed {
  const client = conversation.clients[index] as Client;
  const request = client.requests[at] as Request;
  const allowed: Allowed = { whole: true, refusals: new Set(), nothing: new Set(), cut: undefined };
  const owned = isOwned(conversation, client, at);
  byScript(allowed, conversation, { request, index, at, owned });
  const before = client.requests[at - 1];
  if (before !== undefined && !refused)
    byAnswerBefore(
      allowed,
      conversation,
      before,
      request,
      // Of the answer before: what begins with this request changes nothing there.
      isOwned(conversation, client, at - 1),
    );
  byLeaving(allowed, conversation, index, at);
  byWorld(allowed, conversation, owned);
  // A server that resets takes back what its kernel had not sent yet of the answers before.
  const later = client.requests.slice(at + 1);
  if (client.pipelined && later.some(({ answer }) => answer.cut?.how === "reset"))
    disturb(allowed, ["reset"]);
  return allowed;
}

interface Asked {
  readonly request: Request;
  readonly index: number;
  readonly at: number;
  readonly owned: boolean;
}

function byScript(allowed: Allowed, conversation: Conversation, asked: Asked): void {
  const { request, owned } = asked;
  const { answer } = request;
  if (answer.hang) {
    allowed.whole = false;
    allowed.nothing.add("fin");
    if (isRead(conversation)) add(allowed.refusals, "request-timeout");
    if (!owned) add(allowed.refusals, "upstream-reset");
  } else if (answer.cut !== undefined) byCut(allowed, conversation, asked, answer.cut);
}

function byCut(
  allowed: Allowed,
  conversation: Conversation,
  { request, index, at, owned }: Asked,
  { at: wire, how }: NonNullable<Request["answer"]["cut"]>,
): void {
  const { answer } = request;
  const { head } = answerBytes(answer, index, at, request.method === "HEAD");
  if (wire >= head.length) {
    allowed.whole = false;
    const content = contentWithin(answer.body, wire - head.length);
    allowed.cut = { least: how === "fin" ? content : 0, most: content, ends: new Set([how]) };
    if (how === "reset") allowed.nothing.add("reset");
    return;
  }
  const others = conversation.endpoints.filter(({ takes }) => takes !== "none").length > 1;
  const again = answer.flaky === true && !owned && isIdempotent(request);
  allowed.whole = again;
  if (again && others && isSafe(request)) return;
  allowed.nothing.add(how);
  if (!owned) add(allowed.nothing, "reset");
  if (isRead(conversation)) add(allowed.refusals, "upstream-reset", "upstream-malformed");
  // The next try may meet an endpoint where nobody listens.
  if (!owned) add(allowed.refusals, "connect-refused", "no-endpoints");
}

/** What the answer before does to the connection. */
function byAnswerBefore(
  allowed: Allowed,
  conversation: Conversation,
  before: Request,
  request: Request,
  owned: boolean,
): void {
  const { answer } = before;
  const read = isRead(conversation);
  if (answer.surplus !== undefined) {
    add(allowed.nothing, "fin", "reset");
    add(allowed.refusals, "any");
  }
  // Who answers early may end behind it: the rest of the request need not be read.
  if (read && answer.when === "head") allowed.nothing.add("fin");
  if (!endsWith(before)) return;
  if (owned || answer.body.kind === "close") {
    allowed.whole = false;
    allowed.cut = undefined;
    allowed.refusals.clear();
    allowed.nothing.clear();
    allowed.nothing.add("fin");
    return;
  }
  // An upgrade is not sent twice.
  const again = isSafe(request) && request.answer.stream === undefined;
  if (answer.after === "close" || again) return;
  // The server's end and the next request cross each other, as they would without a mesh.
  add(allowed.refusals, "upstream-reset");
  add(allowed.nothing, "fin", "reset");
}

/** What the client's own end does. Its own reset needs no word: nothing is expected then. */
function byLeaving(allowed: Allowed, conversation: Conversation, index: number, at: number): void {
  const client = conversation.clients[index] as Client;
  const { leave } = client;
  if (leave.kind !== "at" || leave.how !== "fin") return;
  const span = spansOf(client, index)[at] as Span;
  if (leave.bytes >= span.end) return;
  const early = client.requests[at]?.answer.when === "head" && leave.bytes >= span.body;
  if (early && !endsWith(client.requests[at] as Request)) return;
  allowed.whole &&= early;
  allowed.nothing.add("fin");
  if (isRead(conversation) && leave.bytes > span.start)
    add(allowed.refusals, "request-malformed", "framing-ambiguous", "upstream-reset");
}

function byWorld(allowed: Allowed, conversation: Conversation, owned: boolean): void {
  const { endpoints, happenings, destination, clients } = conversation;
  const shared = destination === "service" && isRead(conversation);
  const listening = endpoints.flatMap(({ takes }, index) => (takes === "none" ? [] : [index]));
  const moving = new Set(
    happenings.map(({ kind, endpoint }) => (kind === "unenrol" ? -1 : endpoint)),
  );
  if (listening.length === 0) allowed.whole = false;
  if (!listening.some((index) => !moving.has(index))) {
    if (listening.length === 0 || !owned || destination === "service") allowed.nothing.add("reset");
    if (shared) add(allowed.refusals, "no-endpoints", "connect-refused");
  }
  const hangs = clients.some(({ requests }) => requests.some(({ answer }) => answer.hang));
  if (hangs && endpoints.some(({ takes }) => takes === "one") && isRead(conversation))
    add(allowed.refusals, "request-timeout");
  if (happenings.some(({ kind }) => kind === "die")) {
    disturb(allowed, ["reset"]);
    // A connection that is reset right after the handshake counts as failed.
    if (shared)
      add(allowed.refusals, "upstream-reset", "connect-refused", "connect-failed", "no-endpoints");
  }
  if (happenings.some(({ kind }) => kind === "unenrol")) {
    disturb(allowed, ["fin", "reset"]);
    add(allowed.refusals, "any");
  }
}

/** Anything up to the whole answer may have come when the connection was cut. */
function disturb(allowed: Allowed, ends: readonly Ending[]): void {
  add(allowed.nothing, ...ends);
  const most = allowed.whole ? Number.MAX_SAFE_INTEGER : (allowed.cut?.most ?? 0);
  allowed.cut = { least: 0, most, ends: new Set([...ends, ...(allowed.cut?.ends ?? [])]) };
}

function add<T>(to: Set<T>, ...what: readonly T[]): void {
  for (const one of what) to.add(one);
}
