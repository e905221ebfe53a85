/**
 * Kinds of conversations that the worker does not hold as it should yet, by the row of the list of faults that they
 * belong to. `npm test` leaves them out; `npm run fuzz -- --only NAME` holds nothing else. The list is to be emptied:
 * whoever repairs a kind removes it here, and from then on it is held.
 */

import { type Answer, type Conversation, isRead, isSafe, type Request } from "./conversation.ts";

/** A kind that is left out. */
export interface Known {
  readonly name: string;
  /** What is wrong today. */
  readonly fault: string;
  readonly holds: (conversation: Conversation) => boolean;
}

/** All that are left out. */
export const KNOWN: readonly Known[] = [
  {
    name: "pipelined-end",
    fault:
      "behind pipelined requests the client's end, or its next request, is not noticed any more",
    holds: (one) => isRead(one) && one.clients.some(({ pipelined }) => pipelined === true),
  },
  {
    name: "row-1",
    fault: "of a pipelined request with content, bytes are lost when an endpoint refuses",
    holds: (one) =>
      isShared(one) &&
      (one.endpoints.some(({ takes }) => takes === "none") ||
        one.happenings.some(({ kind }) => kind === "die")) &&
      one.clients.some(
        ({ pipelined, requests }) =>
          pipelined === true && requests.some(({ body }) => body.kind !== "none"),
      ),
  },
  {
    name: "row-11b",
    fault: "an answer that ends in the middle by FIN is reset",
    holds: (one) => isRead(one) && anyAnswer(one, ({ cut, flaky }) => cut !== undefined && !flaky),
  },
  {
    name: "rows-13-15",
    fault:
      "requests with content ride on connections that other clients opened, or that the server is about to end",
    holds: (one) =>
      isShared(one) &&
      ((one.clients.length > 1 && anyRequest(one, (request) => !isSafe(request))) ||
        unsafeBehindEnd(one)),
  },
  {
    name: "row-14",
    fault: "an authenticated connection is shared",
    holds: (one) =>
      isShared(one) &&
      anyRequest(one, ({ login, answer }) => login === true || answer.challenge === true),
  },
  {
    name: "row-5",
    fault:
      "a client's end is not passed on while its answer is awaited; time-outs of later requests do not hold",
    holds: (one) =>
      isRead(one) &&
      (anyAnswer(one, ({ hang }) => hang === true) ||
        one.clients.some(
          ({ pipelined, leave }) =>
            pipelined === true && leave.kind === "at" && leave.how === "fin",
        )),
  },
];

/** The kinds that a conversation belongs to. */
export function knownOf(conversation: Conversation): readonly string[] {
  return KNOWN.filter(({ holds }) => holds(conversation)).map(({ name }) => name);
}

function isShared(conversation: Conversation): boolean {
  return isRead(conversation) && conversation.destination === "service";
}

function anyRequest({ clients }: Conversation, holds: (request: Request) => boolean): boolean {
  return clients.some(({ requests }) => requests.some(holds));
}

function anyAnswer(conversation: Conversation, holds: (answer: Answer) => boolean): boolean {
  return anyRequest(conversation, ({ answer }) => holds(answer));
}

/** A request that is not safe, some time after an answer with which a server ends a connection of the same client. */
function unsafeBehindEnd({ clients }: Conversation): boolean {
  return clients.some(({ requests }) => {
    const end = requests.findIndex(({ answer }) => answer.after !== "keep");
    return end >= 0 && requests.slice(end + 1).some((request) => !isSafe(request));
  });
}
