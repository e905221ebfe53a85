/**
 * What may come of a request: the set that a direct connection could deliver, and the refusals with which the mesh
 * may answer instead. Pure. `hold` with a direct stage tries it out without a mesh.
 */

import { DEFAULT_BALANCE_SETTINGS } from "../../agent/flow/balance/settings.ts";
import type { Client, Conversation, Ending, Endpoint, Request } from "./conversation.ts";
import { isIdempotent, isRead, isSafe } from "./conversation.ts";
import type { ClientSeen } from "./observation.ts";
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

/** Whether a request of a client got an answer of its server's, not of the mesh's. */
export type Served = (at: number) => boolean;

/** Of what a client saw: servers mark their answers. */
export function servedTo(seen: ClientSeen | undefined): Served {
  return (at) => seen?.answers[at]?.message.fields.has("x-mark") === true;
}

/**
 * Whether the request's connection belongs to its client alone: everything but services that are read as HTTP, and
 * these from the first word of a connection-bound authentication on. A challenge counts if it arrived.
 */
export function isOwned(
  conversation: Conversation,
  client: Client,
  at: number,
  served: Served,
): boolean {
  if (conversation.destination !== "service" || !isRead(conversation)) return true;
  return client.requests.some(
    ({ login, answer }, index) =>
      (login && index <= at) || (answer.challenge && index < at && served(index)),
  );
}

/** Whether the server ends the connection with this answer, and says so or not. */
export function endsWith({ answer }: Request): boolean {
  return answer.after !== "keep" || answer.cut !== undefined || answer.hang === true;
}

/** What may come of request `at` of the client with this index, when all before it was answered, or refused by the mesh. */
export function expect(
  conversation: Conversation,
  index: number,
  at: number,
  served: Served,
): Allowed {
  const client = conversation.clients[index] as Client;
  const request = client.requests[at] as Request;
  const allowed: Allowed = { whole: true, refusals: new Set(), nothing: new Set(), cut: undefined };
  const owned = isOwned(conversation, client, at, served);
  byScript(allowed, conversation, { request, index, at, owned });
  const before = client.requests[at - 1];
  if (before !== undefined && served(at - 1))
    byAnswerBefore(allowed, conversation, before, request, {
      // Of the answer before: what begins with this request changes nothing there.
      owned: isOwned(conversation, client, at - 1, served),
      leaves: leavesBy(conversation, index, "fin"),
    });
  // Bytes that nobody asked for may come late, and hurt their own client whenever it asks over that connection again.
  if (client.requests.slice(0, at).some(({ answer }) => answer.surplus !== undefined)) {
    add(allowed.nothing, "fin", "reset");
    add(allowed.refusals, "any");
  }
  byLeaving(allowed, conversation, index, at);
  byWorld(allowed, conversation, owned);
  if (mayRunOutOfTries(conversation)) add(allowed.refusals, "connect-refused");
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
    // A rider's request is asked of others when the server ends: of one that refuses, too.
    if (!owned) add(allowed.refusals, "upstream-reset", "connect-refused");
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
    if (how === "fin") return;
    allowed.nothing.add("reset");
    // A reset takes back what its kernel had not sent yet, be it a part of the head: then nothing was answered.
    if (isRead(conversation) && !owned) add(allowed.refusals, "upstream-reset");
    return;
  }
  // Of one whose connects hung it may be that it was tried already.
  const others = standing(conversation).filter(({ full }) => full === undefined).length > 1;
  const again = answer.flaky === true && !owned && isIdempotent(request);
  allowed.whole = again;
  if (again && others && isSafe(request) && !leavesBy(conversation, index, how)) return;
  allowed.nothing.add(how);
  if (!owned) add(allowed.nothing, "reset");
  if (isRead(conversation)) add(allowed.refusals, "upstream-reset", "upstream-malformed");
  // The next try may meet an endpoint where nobody listens.
  if (!owned) add(allowed.refusals, "connect-refused", "no-endpoints");
}

/** The endpoints that listen and are there all the time. */
function standing({ endpoints, happenings }: Conversation): readonly Endpoint[] {
  const moving = new Set(happenings.map(({ endpoint }) => endpoint));
  return endpoints.filter(({ takes }, index) => takes !== "none" && !moving.has(index));
}

/** Whether the server's end may answer its client's own: then nobody else is asked. */
function leavesBy({ clients }: Conversation, index: number, how: Ending): boolean {
  const { leave } = clients[index] as Client;
  return how === "fin" && (leave.kind === "half" || (leave.kind === "at" && leave.how === "fin"));
}

/** What the answer before does to the connection. */
function byAnswerBefore(
  allowed: Allowed,
  conversation: Conversation,
  before: Request,
  request: Request,
  { owned, leaves }: { readonly owned: boolean; readonly leaves: boolean },
): void {
  const { answer } = before;
  const read = isRead(conversation);
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
  // From the challenge or the log-in on both connections are one, if it is the client's own one that the server ends.
  const bound = answer.challenge === true || request.login === true;
  if (bound) allowed.nothing.add("fin");
  // An upgrade is not sent twice, nor what a server ended after its client had; and somebody must be there.
  const again =
    isSafe(request) &&
    request.answer.stream === undefined &&
    !leaves &&
    standing(conversation).length > 0;
  if (answer.after === "close" || again || bound) return;
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

/** Each request may meet every endpoint where nobody listens; a Service may try anew so often in a second only. */
function mayRunOutOfTries(conversation: Conversation): boolean {
  const { destination, endpoints, clients } = conversation;
  if (destination !== "service" || !isRead(conversation)) return false;
  const requests = clients.reduce((sum, one) => sum + one.requests.length, 0);
  const deaf = endpoints.filter(({ takes }) => takes === "none").length;
  return requests * deaf > DEFAULT_BALANCE_SETTINGS.retriesPerSecond;
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
