/** Remembers verdicts on tokens, so that the API server is asked seldom and may be away for a while. */

import { createHash } from "node:crypto";
import {
  cannotCheck,
  judge,
  noToken,
  type ReviewQuestion,
  type ReviewStatus,
  type Verdict,
} from "./verdict.ts";

/** A yes counts this long; then the API server is asked again, so a deleted agent's token ends. */
const ADMITTED_MS = 10 * 60_000;
/** A no counts this long: agents come back, and what was wrong may have been put right. */
const REFUSED_MS = 5000;
/** With the API server away a known token is asked about again after this long. */
const AWAY_RETRY_MS = 30_000;
/** Questions to the API server at the same time; the rest wait their turn. */
const MAX_ASKING = 16;
/** Tokens remembered; the one that was judged longest ago goes first. Twice the nodes of the largest cluster. */
const MAX_TOKENS = 10_000;

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
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A verdict, and for a yes the milliseconds after which to ask again. */
export type Admission =
  | { readonly kind: "admitted"; readonly againMs: number }
  | Extract<Verdict, { kind: "refused" }>;

interface Known {
  readonly review: ReviewStatus;
  readonly judgedAt: number;
  /** When the token itself ends; it was read from an authenticated token. */
  readonly ends: number;
}

/** Answers whether the bearer of a token may speak for a node. */
export class Admitter {
  readonly #options: AdmitterOptions;
  /** By the token's hash: a token itself is never kept. Oldest first. */
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<ReviewStatus>>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(options: AdmitterOptions) {
    this.#options = options;
  }

  /** Judges an `authorization` header for a node. Never rejects. */
  async admit(node: string, authorization: string | undefined): Promise<Admission> {
    const token = /^Bearer ([\w.~+/-]+=*)$/i.exec(authorization ?? "")?.[1];
    if (token === undefined || token.length > MAX_TOKEN_LENGTH) return admission(noToken(), 0);
    const key = createHash("sha256").update(token).digest("base64");
    const known = this.#known.get(key);
    const now = this.#options.now();
    if (known !== undefined && now < freshUntil(known))
      return this.#judge(node, known, freshUntil(known) - now);
    try {
      const review = await this.#ask(key, token);
      const judgedAt = this.#options.now();
      const fresh = { review, judgedAt, ends: endOf(token) ?? judgedAt + ADMITTED_MS };
      this.#remember(key, fresh);
      return this.#judge(node, fresh, freshUntil(fresh) - judgedAt);
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause);
      return this.#unanswered(node, known, problem);
    }
  }

  /** Nobody could be asked: a token that was good goes on until its own end, any other has to wait. */
  #unanswered(node: string, known: Known | undefined, problem: string): Admission {
    const now = this.#options.now();
    if (known?.review.authenticated !== true || now >= known.ends)
      return admission(cannotCheck(problem), 0);
    return this.#judge(node, known, Math.min(AWAY_RETRY_MS, known.ends - now));
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
    this.#known.delete(key);
    this.#known.set(key, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_TOKENS && oldest !== undefined) this.#known.delete(oldest);
  }
}

/** Until when a verdict counts without asking again; a yes never longer than the token lives. */
function freshUntil({ review, judgedAt, ends }: Known): number {
  if (review.authenticated !== true) return judgedAt + REFUSED_MS;
  return Math.min(judgedAt + ADMITTED_MS, ends);
}

function admission(verdict: Verdict, againMs: number): Admission {
  return verdict.kind === "refused" ? verdict : { kind: "admitted", againMs };
}

/**
 * When a token ends (ms since 1970), from its own words: to be believed only after the API server has
 * authenticated it. Undefined for a token that does not say.
 */
function endOf(token: string): number | undefined {
  try {
    const text = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
    const claims: unknown = JSON.parse(text);
    if (typeof claims === "object" && claims !== null && "exp" in claims)
      return typeof claims.exp === "number" ? claims.exp * 1000 : undefined;
  } catch {
    // Not a JWT: then only the API server knows.
  }
  return undefined;
}
