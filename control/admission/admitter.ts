/**
 * Remembers verdicts on tokens, so that the API server is asked seldom and may be away for a while.
 *
 * A token's times are the API server's clock's, and control's own may be hours off, so none is asked what time it is: a
 * token that the API server has just accepted was made before, hence ends within its life from when it was first
 * accepted. Agents show a token soon after they got it, so that this is near its true end. Only the answers of the API
 * server end an admission earlier. All times here are those of a clock that nobody sets.
 */

import { createHash } from "node:crypto";
import type { Recollection } from "./gate.ts";
import {
  cannotCheck,
  isAgentsToken,
  judge,
  noToken,
  type ReviewQuestion,
  type ReviewStatus,
  type Verdict,
} from "./verdict.ts";

/**
 * A yes counts this long (or the token's whole life, when that is shorter); then the API server is asked again, so the
 * token of a deleted agent, or one that has ended, is refused that much later at most.
 */
const ADMITTED_MS = 10 * 60_000;
/** A no counts this long: agents come back, and what was wrong may have been put right. */
const REFUSED_MS = 5000;
/** With the API server away a known token is asked about again after this long. */
const AWAY_RETRY_MS = 30_000;
/** Questions to the API server at the same time; the rest wait their turn, which gate.ts gives. */
const MAX_ASKING = 32;
/** Tokens of agents that are remembered; the one that was judged longest ago goes first. Twice the nodes of the largest cluster. */
const MAX_TOKENS = 10_000;
/** Other tokens, apart: anybody can show any number of these, and none of them may cost an agent its place. */
const MAX_OTHERS = 4096;

/** A token of more than this many letters is none: they are about a thousand. */
const MAX_TOKEN_LENGTH = 8192;

/** An API server that did not answer: it may be asked again later. */
export class ReviewUnavailable extends Error {}

/** What an admitter works with. */
export interface AdmitterOptions {
  /** Asks the API server whose token this is. Rejects with ReviewUnavailable when there is no answer. */
  readonly review: (token: string) => Promise<ReviewStatus>;
  readonly namespace: string;
  readonly nodeOfPod: ReviewQuestion["nodeOfPod"];
  /** Milliseconds of a clock that nobody sets, such as performance.now(). */
  readonly now: () => number;
}

/** A verdict, and for a yes the milliseconds after which to ask again. */
export type Admission =
  | (Extract<Verdict, { kind: "admitted" }> & { readonly againMs: number })
  | Extract<Verdict, { kind: "refused" }>;

interface Known {
  readonly review: ReviewStatus;
  /** Until when the verdict counts without asking again. */
  readonly freshUntil: number;
  /** When the token has surely ended; undefined for one that was never accepted. */
  readonly endsBy: number | undefined;
}

/** Answers whether the bearer of a token may speak for a node. */
export class Admitter {
  readonly #options: AdmitterOptions;
  /** By the token's hash: a token itself is never kept. Oldest first. */
  readonly #agents = new Map<string, Known>();
  readonly #others = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<ReviewStatus>>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(options: AdmitterOptions) {
    this.#options = options;
  }

  /** What is known without a question to the API server. */
  recall(node: string, authorization: string | undefined): Recollection {
    const token = tokenIn(authorization);
    if (token === undefined) return { kind: "fresh", admission: admission(noToken(), 0) };
    const key = keyOf(token);
    const fresh = this.#fresh(node, this.#find(key));
    if (fresh !== undefined) return { kind: "fresh", admission: fresh };
    return this.#agents.has(key) ? { kind: "agent" } : { kind: "unknown" };
  }

  /** Judges an `authorization` header for a node. Never rejects. */
  async admit(node: string, authorization: string | undefined): Promise<Admission> {
    const token = tokenIn(authorization);
    if (token === undefined) return admission(noToken(), 0);
    const key = keyOf(token);
    const known = this.#find(key);
    const judged = this.#fresh(node, known);
    if (judged !== undefined) return judged;
    try {
      const review = await this.#ask(key, token);
      const judgedAt = this.#options.now();
      const fresh = knownFrom(review, { token, judgedAt, before: this.#find(key) });
      this.#remember(key, fresh);
      return this.#judge(node, fresh, fresh.freshUntil - judgedAt);
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause);
      return this.#unanswered(node, known, problem);
    }
  }

  #find(key: string): Known | undefined {
    return this.#agents.get(key) ?? this.#others.get(key);
  }

  /** The judgement that still counts. */
  #fresh(node: string, known: Known | undefined): Admission | undefined {
    const left = (known?.freshUntil ?? 0) - this.#options.now();
    return known === undefined || left <= 0 ? undefined : this.#judge(node, known, left);
  }

  /** Nobody could be asked: a token that was good goes on until it has surely ended, any other has to wait. */
  #unanswered(node: string, known: Known | undefined, problem: string): Admission {
    const left = (known?.endsBy ?? 0) - this.#options.now();
    if (known?.review.authenticated !== true || left <= 0)
      return admission(cannotCheck(problem), 0);
    return this.#judge(node, known, Math.min(AWAY_RETRY_MS, left));
  }

  #judge(node: string, known: Known, againMs: number): Admission {
    const { namespace, nodeOfPod } = this.#options;
    return admission(judge(known.review, { node, namespace, nodeOfPod }), againMs);
  }

  /** Asks once for all who come with the same token at the same time. */
  #ask(key: string, token: string): Promise<ReviewStatus> {
    return this.#asking.getOrInsertComputed(key, async () => {
      if (this.#busy >= MAX_ASKING)
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.#busy++;
      try {
        return await this.#options.review(token);
      } finally {
        this.#busy--;
        this.#asking.delete(key);
        this.#waiting.shift()?.();
      }
    });
  }

  #remember(key: string, known: Known): void {
    this.#agents.delete(key);
    this.#others.delete(key);
    const isAgents = isAgentsToken(known.review, this.#options.namespace);
    const [kept, most] = isAgents ? [this.#agents, MAX_TOKENS] : [this.#others, MAX_OTHERS];
    kept.set(key, known);
    const [oldest] = kept.keys();
    if (kept.size > most && oldest !== undefined) kept.delete(oldest);
  }
}

/** The token of an `authorization` header, if it may be one. */
function tokenIn(authorization: string | undefined): string | undefined {
  const token = /^Bearer ([\w.~+/-]+=*)$/i.exec(authorization ?? "")?.[1];
  return token === undefined || token.length > MAX_TOKEN_LENGTH ? undefined : token;
}

function keyOf(token: string): string {
  return createHash("sha256").update(token).digest("base64");
}

/** What to remember of an answer; `before` is what was known of the token. */
function knownFrom(
  review: ReviewStatus,
  { token, judgedAt, before }: { token: string; judgedAt: number; before: Known | undefined },
): Known {
  if (review.authenticated !== true)
    return { review, freshUntil: judgedAt + REFUSED_MS, endsBy: before?.endsBy };
  const life = lifeOf(token) ?? ADMITTED_MS;
  return {
    review,
    freshUntil: judgedAt + Math.min(ADMITTED_MS, life),
    endsBy: before?.endsBy ?? judgedAt + life,
  };
}

function admission(verdict: Verdict, againMs: number): Admission {
  return verdict.kind === "refused" ? verdict : { ...verdict, againMs };
}

/**
 * How long a token lives in all (ms), from its own words: to be believed only after the API server has authenticated it.
 * Undefined for a token that does not say.
 */
function lifeOf(token: string): number | undefined {
  try {
    const text = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
    const claims: unknown = JSON.parse(text);
    if (typeof claims !== "object" || claims === null) return undefined;
    const { iat, exp } = claims as Readonly<Record<string, unknown>>;
    if (typeof iat === "number" && typeof exp === "number" && exp > iat) return (exp - iat) * 1000;
  } catch {
    // Not a JWT: then only the API server knows.
  }
  return undefined;
}
