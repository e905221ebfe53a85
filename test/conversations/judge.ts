/** Compares what clients and servers saw with what may come of the conversation. Pure: the empty list = all is right. */

import type { Client, Conversation, Ending, Request } from "./conversation.ts";
import { type Allowed, endsWith, expect, isOwned, type Served, servedTo } from "./expect.ts";
import type {
  AnswerSeen,
  ClientSeen,
  Observation,
  Problem,
  Say,
  ServedSeen,
} from "./observation.ts";
import { judgeServers } from "./owners.ts";
import { judgeBytes, judgeStream } from "./streams.ts";
import { answerContentLength, bodyOf } from "./wire.ts";

/**
 * Every problem of a conversation. On a port whose protocol is looked for, a client that begins late is carried as bytes:
 * it is right then if that was done right.
 */
export function judge(conversation: Conversation, seen: Observation): readonly Problem[] {
  const asBytes: Conversation = { ...conversation, declared: "tcp" };
  const either = (judgeAs: (one: Conversation) => readonly Problem[]): readonly Problem[] => {
    const problems = judgeAs(conversation);
    if (problems.length === 0 || conversation.declared !== "detect") return problems;
    return judgeAs(asBytes).length === 0 ? [] : problems;
  };
  return [
    ...conversation.clients.flatMap((_, index) => either((one) => judgeClient(one, index, seen))),
    ...seen.leaks.map((text) => ({ kind: "left-behind", text, slow: true as const })),
    ...either((one) => judgeServers(one, seen)),
  ];
}

function judgeClient(
  conversation: Conversation,
  index: number,
  { clients, served }: Observation,
): readonly Problem[] {
  const problems: Problem[] = [];
  const seen = clients[index];
  const stream = conversation.clients[index]?.stream;
  if (seen === undefined) return [{ kind: "bug", text: `client ${index} saw nothing` }];
  const say: Say = (kind, text, slow = kind === "silence") => {
    problems.push({ kind, text: `client ${index}: ${text}`, ...(slow && { slow }) });
  };
  if (stream !== undefined) judgeBytes(conversation, stream, seen, served, say);
  else new Walk(conversation, index, seen, served, say).judge();
  return problems;
}

/** One client's requests, one after the other. */
class Walk {
  readonly #conversation: Conversation;
  readonly #index: number;
  readonly #client: Client;
  readonly #seen: ClientSeen;
  readonly #served: readonly ServedSeen[];
  readonly #say: Say;
  readonly #answered: Served;
  /** The connection may end here, and how; undefined = it must go on. */
  #mayEnd: ReadonlySet<Ending> | undefined;

  constructor(
    conversation: Conversation,
    index: number,
    seen: ClientSeen,
    served: readonly ServedSeen[],
    say: Say,
  ) {
    this.#conversation = conversation;
    this.#index = index;
    this.#client = conversation.clients[index] as Client;
    this.#seen = seen;
    this.#served = served;
    this.#say = say;
    this.#answered = servedTo(seen);
  }

  judge(): void {
    const { requests } = this.#client;
    const { answers } = this.#seen;
    for (const [at, request] of requests.entries()) {
      const allowed = expect(this.#conversation, this.#index, at, this.#answered);
      const answer = answers[at];
      if (answer === undefined) {
        this.#judgeNothing(at, allowed);
        return;
      }
      if (!this.#judgeAnswer(at, request, answer, allowed)) return;
    }
    this.#judgeEnd();
  }

  #judgeNothing(at: number, allowed: Allowed): void {
    const end = this.#seen.end;
    if (end === "own-reset") return;
    if (end === "silence") {
      this.#say("silence", `request ${at} got nothing, not even an end`);
      return;
    }
    const how = end === "refused" ? "reset" : end;
    if (this.#mayEnd?.has(how) || allowed.nothing.has(how)) return;
    const kind = allowed.nothing.size > 0 || this.#mayEnd !== undefined ? "ending" : "lost-answer";
    this.#say(kind, `request ${at} got nothing but ${end}; allowed: ${words(allowed)}`);
  }

  /** Whether the next request is worth a look. */
  #judgeAnswer(at: number, request: Request, seen: AnswerSeen, allowed: Allowed): boolean {
    const { message } = seen;
    const mark = message.fields.get("x-mark");
    const reason = message.fields.get("x-nodemesh-reason");
    if (mark === undefined && reason !== undefined)
      return this.#judgeRefusal(at, request, seen, allowed);
    if (mark !== `${this.#index}/${at}`) {
      this.#say("foreign-answer", `request ${at} got the answer to ${mark}: ${message.start}`);
      return false;
    }
    this.#judgeContent(at, request, seen);
    const length = answerContentLength(request, request.answer);
    const whole = message.untilEnd
      ? message.contentBytes === length && this.#seen.end === "fin"
      : message.complete;
    if (!whole) {
      this.#judgePart(at, seen, allowed);
      return false;
    }
    if (!allowed.whole && !this.#inCut(allowed, message.contentBytes))
      this.#say("unexpected-answer", `request ${at} was answered; allowed: ${words(allowed)}`);
    const interim = request.answer.interim.join();
    if (seen.interim.join() !== interim)
      this.#say("interim", `request ${at} got ${seen.interim.join()} instead of ${interim}`);
    return this.#afterWhole(at, request, message.fields);
  }

  #inCut({ cut }: Allowed, bytes: number): boolean {
    return (
      cut !== undefined &&
      bytes >= cut.least &&
      bytes <= cut.most &&
      cut.ends.has(this.#seen.end as Ending)
    );
  }

  #afterWhole(at: number, request: Request, fields: ReadonlyMap<string, string>): boolean {
    const { stream } = request.answer;
    if (stream !== undefined) {
      judgeStream(this.#conversation, stream, this.#seen, this.#streamed(at), this.#say);
      return false;
    }
    const owned = isOwned(this.#conversation, this.#client, at, this.#answered);
    const ends =
      endsWith(request) && (owned || request.close || request.answer.body.kind === "close");
    if (owned && request.answer.surplus !== undefined) return false;
    if (ends || fields.get("connection") === "close") this.#mayEnd = new Set(["fin"]);
    if (owned && request.answer.after === "close" && fields.get("connection") !== "close")
      this.#say("together", `answer ${at} lost its Connection: close`);
    return true;
  }

  #streamed(at: number): ServedSeen | undefined {
    return this.#served.find(({ requests }) =>
      requests.some(({ client, request }) => client === this.#index && request === at),
    );
  }

  #judgeContent(at: number, request: Request, { message }: AnswerSeen): void {
    const { status, body } = request.answer;
    if (Number(message.start.slice(9, 12)) !== status)
      this.#say("foreign-answer", `answer ${at} is ${message.start} instead of ${status}`);
    const content = Buffer.concat(message.content);
    const speaker = { client: this.#index, request: at, side: "server" } as const;
    if (!content.equals(bodyOf(speaker, content.length)))
      this.#say("wrong-bytes", `the content of answer ${at} is not what was sent`);
    if (!message.complete || message.untilEnd) return;
    const length = answerContentLength(request, request.answer);
    if (content.length !== length)
      this.#say(
        "wrong-bytes",
        `answer ${at} has ${content.length} of ${length} bytes and looks whole`,
      );
    const trailer = body.kind === "chunked" && body.trailer === true && length > 0;
    if (trailer && message.trailer.toLowerCase() !== "x-sum: right")
      this.#say("wrong-bytes", `answer ${at} has lost its trailer`);
  }

  #judgePart(at: number, { message }: AnswerSeen, allowed: Allowed): void {
    const { end } = this.#seen;
    if (end === "own-reset" || this.#inCut(allowed, message.contentBytes)) return;
    const got = `${message.contentBytes} bytes of answer ${at} and then ${end}`;
    const kind = end === "silence" ? end : allowed.cut === undefined ? "lost-answer" : "ending";
    this.#say(kind, `${got}; allowed: ${words(allowed)}`);
  }

  #judgeRefusal(at: number, request: Request, { message }: AnswerSeen, allowed: Allowed): boolean {
    const reason = message.fields.get("x-nodemesh-reason") ?? "";
    // A machine that stalls has other endpoints dialled besides, and then nobody is left to turn to.
    const slow = reason.endsWith("-timeout") || request.answer.flaky === true;
    if (!allowed.refusals.has(reason) && !allowed.refusals.has("any"))
      this.#say(
        "refused",
        `request ${at} was refused: ${reason}; allowed: ${words(allowed)}`,
        slow,
      );
    this.#mayEnd = new Set(["fin", "reset"]);
    return true;
  }

  /** Everything was answered. */
  #judgeEnd(): void {
    const { end, leftover } = this.#seen;
    const { requests } = this.#client;
    const surplus = requests.some(({ answer }) => answer.surplus !== undefined);
    const disturbed = this.#conversation.happenings.some(
      ({ kind }) => kind === "unenrol" || kind === "die",
    );
    if (leftover > 0 && !surplus) this.#say("wrong-bytes", `${leftover} bytes too many`);
    if (end === "own-reset" || surplus || disturbed) return;
    if (end === "silence") this.#say("silence", "everything was answered, but no end came");
    else if (end !== "fin" && !this.#mayEnd?.has(end as Ending))
      this.#say("ending", `everything was answered, then ${end}`);
  }
}

function words({ whole, refusals, nothing, cut }: Allowed): string {
  const all = [
    ...(whole ? ["the answer"] : []),
    ...[...refusals].map((reason) => `refused ${reason}`),
    ...[...nothing].map((end) => `nothing but ${end}`),
    ...(cut === undefined
      ? []
      : [`${cut.least} to ${cut.most} bytes and ${[...cut.ends].join(" or ")}`]),
  ];
  return all.join(", ") || "nothing";
}
