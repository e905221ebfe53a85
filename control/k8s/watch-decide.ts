/** What a reflector does after something ended or failed: pure, so that every case can be asked about. */

/** How a list or a watch ended. */
export type Outcome =
  /** A list is complete. */
  | { readonly kind: "listed" }
  /** The server closed the watch, as it does every some minutes. `events` = it had said something. */
  | { readonly kind: "closed"; readonly events: boolean }
  /** A watch said nothing for so long that its connection may be dead. Quiet collections get no bookmarks either. */
  | { readonly kind: "silent" }
  /** HTTP 410, or an ERROR event that says so: the server has forgotten where we are. */
  | { readonly kind: "gone" }
  /** 404 on a collection that may not exist yet. */
  | { readonly kind: "unknown-kind" }
  /** Any other status; `retryAfterMs` when the server said when to come again. */
  | {
      readonly kind: "refused";
      readonly status: number;
      readonly message: string;
      readonly retryAfterMs: number | undefined;
    }
  /** No answer, a broken connection. */
  | { readonly kind: "broken"; readonly problem: string }
  /** An answer that is not what the API says. */
  | { readonly kind: "malformed"; readonly problem: string };

/** What comes next, and after how many milliseconds. */
export interface Next {
  readonly act: "list" | "watch";
  readonly delayMs: number;
  /** Failures in a row, this one included; 0 = all is well. */
  readonly failures: number;
}

/** Where a reflector is. */
export interface Position {
  /** There is a resource version to watch from. */
  readonly synced: boolean;
  /** In a row; 0 when the watch that ended had said something. */
  readonly failures: number;
  /** The last complete list is this long ago. */
  readonly listAgeMs: number;
  /** A list is repeated after this long, in case an event was lost. */
  readonly resyncMs: number;
}

const FIRST_DELAY_MS = 250;
/** Short: an API server that is back shall be noticed within seconds; seven collections burden nobody. */
const LONGEST_DELAY_MS = 8000;
/** How often a kind that is not defined is looked for. */
const UNKNOWN_KIND_MS = 5000;
/** Longest wait that a server may ask for. */
const LONGEST_RETRY_AFTER_MS = 60_000;

/** Decides. `random` is uniform in [0, 1): delays are spread over half to the whole of their length. */
export function decideNext(outcome: Outcome, at: Position, random: number): Next {
  const failures = at.failures + 1;
  const delayMs = backOff(failures, random);
  switch (outcome.kind) {
    case "listed":
      // Forgotten only once the watch says something: a list and a refused watch must not turn in circles.
      return { act: "watch", delayMs: 0, failures: at.failures };
    case "closed": {
      const act = at.listAgeMs >= at.resyncMs ? "list" : "watch";
      // A watch that ends without a word is suspicious: don't turn in circles.
      return outcome.events ? { act, delayMs: 0, failures: 0 } : { act, delayMs, failures };
    }
    case "silent":
      // If the server is away, the next watch says so.
      return {
        act: at.listAgeMs >= at.resyncMs ? "list" : "watch",
        delayMs: 0,
        failures: at.failures,
      };
    case "gone":
      // Once at once; again and again would mean that the lists are too slow for the server's memory.
      return { act: "list", delayMs: at.failures === 0 ? 0 : delayMs, failures };
    case "unknown-kind":
      return { act: "list", delayMs: UNKNOWN_KIND_MS * (0.5 + random / 2), failures: 0 };
    case "refused": {
      const asked = Math.min(outcome.retryAfterMs ?? 0, LONGEST_RETRY_AFTER_MS);
      const act = at.synced && !isHopeless(outcome.status) ? "watch" : "list";
      return { act, delayMs: Math.max(asked, delayMs), failures };
    }
    case "broken":
      return { act: at.synced ? "watch" : "list", delayMs, failures };
    case "malformed":
      return { act: "list", delayMs, failures };
  }
}

/** A text for operators; undefined = nothing is wrong. */
export function troubleOf(outcome: Outcome): string | undefined {
  switch (outcome.kind) {
    case "listed":
    case "closed":
    case "silent":
    case "gone":
      return undefined;
    case "unknown-kind":
      return "the API server does not know this kind; apply the output of `nodemesh install`";
    case "refused":
      if (outcome.status === 401 || outcome.status === 403)
        return `${outcome.message}; apply the roles of \`nodemesh install\` again`;
      return `the API server answered ${outcome.status}: ${outcome.message}`;
    case "broken":
    case "malformed":
      return outcome.problem;
  }
}

/** Asking for the same again would be refused again: 4xx but for credentials and throttling. */
function isHopeless(status: number): boolean {
  return status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status);
}

function backOff(failures: number, random: number): number {
  const whole = Math.min(FIRST_DELAY_MS * 2 ** (failures - 1), LONGEST_DELAY_MS);
  return whole * (0.5 + random / 2);
}
