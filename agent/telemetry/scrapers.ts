/**
 * Who scrapes, and what each has seen: so much that a new series can be shown as 0 to every scraper first, and never again
 * to one that has seen more (decision 34). Two numbers for each, none for a series.
 *
 * What a page shows is of a generation, counted from 1; a series is of the generation that it was first in. A scraper is
 * known by its connection, which it keeps, and by its address: several may share an address (NAT of a node), and several
 * connections may be one scraper's (a proxy).
 */

/** What a request for a page of metrics says. */
export interface Scrape {
  /** Its Accept header. */
  readonly accept: string;
  /** Who asks; undefined = a person or a program that takes what it reads for the whole truth. */
  readonly scraper: Scraper | undefined;
}

/** A Prometheus or one of its kind, which subtracts one scrape from the next. */
export interface Scraper {
  /** The address it comes from. */
  readonly address: string;
  /** The socket. */
  readonly connection: { readonly destroyed: boolean };
}

/** Of Prometheus, and of what behaves like it (its Agent, Alloy, OpenTelemetry's receiver, vmagent); of nobody else. */
const SCRAPERS_HEADER = "x-prometheus-scrape-timeout-seconds";

/**
 * The longest usual interval of scrapes, milliseconds: Prometheus forgets a series after five minutes, so that two minutes
 * is the most that is recommended; and half a minute of slack.
 */
export const LONGEST_INTERVAL_MS = 150_000;

/** Beyond this many connections all are forgotten, which is safe: see Scrapers.visit(). */
const MOST_CONNECTIONS = 256;

/** Reads a request. */
export function scrapeOf(
  { headers }: { readonly headers: ReadonlyMap<string, string> },
  caller: Scraper["connection"] & { readonly address: string },
): Scrape {
  const scraper = { address: caller.address, connection: caller };
  const announced = headers.has(SCRAPERS_HEADER);
  return { accept: headers.get("accept") ?? "", scraper: announced ? scraper : undefined };
}

interface Visit {
  readonly address: string;
  /** Generation that was shown last over this connection. */
  readonly shown: number;
  /** Series up to this generation were shown as they are over this connection. */
  readonly told: number;
  /** Milliseconds. */
  readonly at: number;
}

/** The memory of visits. */
export class Scrapers {
  readonly #visits = new Map<Scraper["connection"], Visit>();
  /** Series up to this generation were shown as they are to somebody. */
  #told = 0;

  /**
   * Notes a visit and says up to which generation series are shown as they are: this connection has shown them before, or
   * its address has been told, or, of an address that is not known, anybody. So in doubt (a new address, a new
   * connection, one too many) a scraper may get a number whose beginning it has not seen, as it would anywhere; never a 0
   * after a number, which would count twice. `now`: milliseconds.
   */
  visit({ address, connection }: Scraper, generation: number, now: number): number {
    this.#forget(now);
    const near = [...this.#visits].filter(([, visit]) => visit.address === address);
    const told = near.length === 0 ? this.#told : Math.max(...near.map(([, visit]) => visit.told));
    const known = this.#visits.has(connection) ? connection : longestAway(near);
    const shown = (known && this.#visits.get(known)?.shown) ?? 0;
    const upTo = Math.max(told, shown);
    this.#told = Math.max(this.#told, upTo);
    if (known !== undefined) this.#visits.delete(known);
    this.#visits.set(connection, { address, shown: generation, told: upTo, at: now });
    return upTo;
  }

  #forget(now: number): void {
    if (this.#visits.size >= MOST_CONNECTIONS) this.#visits.clear();
    for (const [connection, { at }] of this.#visits)
      if (now - at > LONGEST_INTERVAL_MS) this.#visits.delete(connection);
  }
}

/** Who does not keep its connection comes back over another. Of several at one address whoever was away longest comes. */
function longestAway(
  near: readonly (readonly [Scraper["connection"], Visit])[],
): Scraper["connection"] | undefined {
  return near.find(([connection]) => connection.destroyed)?.[0];
}
