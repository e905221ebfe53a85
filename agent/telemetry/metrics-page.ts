/**
 * The page /metrics, of the agent and of control: everything is read when somebody asks, nothing is kept twice. A counter
 * or histogram that is new is shown to a scraper as 0 first (decision 34).
 */

import { formatFor } from "./accept.ts";
import { Budget } from "./budget.ts";
import {
  CONTENT_TYPES,
  type Described,
  ENDS,
  exposeMetric,
  type Format,
  type Series,
} from "./exposition.ts";
import { LONGEST_INTERVAL_MS, type Scrape, type Scraper, Scrapers } from "./scrapers.ts";

/** A metric with all its series. */
export interface Family {
  readonly spec: Described;
  readonly series: readonly PageSeries[];
}

/** One series, with its beginning. */
export interface PageSeries extends Series {
  /** How long it exists, milliseconds. Without it: since it was first on a page, and its labels are a new object each time. */
  readonly ageMs?: number;
  /** Where this process found it, 0 if not said: the kernel's counters outlive an agent. */
  readonly from?: number;
}

/** Inputs of a MetricsPage. */
export interface MetricsPageInputs {
  /** All metrics, in the order of output. */
  readonly read: () => Promise<readonly Family[]>;
  /** Milliseconds; only differences matter. */
  readonly clock: () => number;
}

/** A page as it is sent. */
export interface Exposed {
  /** Value of the Content-Type header. */
  readonly contentType: string;
  readonly body: string;
}

/** When a series was first on a page. */
interface Birth {
  readonly generation: number;
  readonly at: number;
}

/** What was read for one page and for all who asked while it was. */
interface Moment {
  readonly generation: number;
  readonly families: readonly Family[];
  /** The generations of series that are new enough to be held back. */
  readonly held: ReadonlyMap<PageSeries, number>;
  /** Texts by format and by what is held back, so that many who ask at once cost as much as one. */
  readonly texts: Map<string, string>;
}

/** A page of metrics. */
export class MetricsPage {
  readonly #inputs: MetricsPageInputs;
  readonly #scrapers: Scrapers = new Scrapers();
  readonly #since: number;
  /** Of series with an age: they keep their labels' object for as long as they live. */
  readonly #births: WeakMap<Series["labels"], Birth> = new WeakMap();
  /** Of the others, by name and labels: closed sets. */
  readonly #named: Map<string, Birth> = new Map();
  #generation = 0;
  #reading: Promise<Moment> | undefined;
  /** What was read last, for those who ask while pages have cost enough. */
  #last: Moment | undefined;
  readonly #budget: Budget;

  constructor(inputs: MetricsPageInputs) {
    this.#inputs = inputs;
    this.#since = inputs.clock();
    this.#budget = new Budget(inputs.clock);
  }

  /** The page for who asks. Who asks while one is being made shares it: many can't make the main thread do more work. */
  async scrape({ accept, scraper }: Scrape): Promise<Exposed> {
    const moment = await this.#moment();
    const format = formatFor(accept);
    return { contentType: CONTENT_TYPES[format], body: this.#textFor(moment, format, scraper) };
  }

  /** What is shown now: of this moment, unless too many have asked lately. */
  #moment(): Moment | Promise<Moment> {
    if (this.#last !== undefined && !this.#budget.affords) return this.#last;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<Moment> {
    const from = this.#inputs.clock();
    const families = await this.#inputs.read();
    const generation = ++this.#generation;
    this.#last = { generation, families, held: this.#newOnes(families), texts: new Map() };
    this.#budget.spend(this.#inputs.clock() - from);
    return this.#last;
  }

  #textFor(moment: Moment, format: Format, scraper: Scraper | undefined): string {
    const { generation, families, held, texts } = moment;
    const upTo =
      scraper === undefined
        ? generation
        : this.#scrapers.visit(scraper, generation, this.#inputs.clock());
    const isHeld = (one: PageSeries): boolean => (held.get(one) ?? 0) > upTo;
    // Of one moment, as many held back are the same ones: the newest.
    const key = `${format} ${[...held.keys()].filter(isHeld).length}`;
    const known = texts.get(key);
    if (known !== undefined) return known;
    const from = this.#inputs.clock();
    const text = expose(families, format, isHeld);
    texts.set(key, text);
    this.#budget.spend(this.#inputs.clock() - from);
    return text;
  }

  #newOnes(families: readonly Family[]): ReadonlyMap<PageSeries, number> {
    const [generation, now] = [this.#generation, this.#inputs.clock()];
    const found = new Map<PageSeries, number>();
    for (const { spec, series } of families) {
      if (spec.kind === "gauge") continue;
      for (const one of series) {
        const birth = this.#birthOf(spec.name, one, { generation, at: now - (one.ageMs ?? 0) });
        if (now - birth.at < LONGEST_INTERVAL_MS) found.set(one, birth.generation);
      }
    }
    return found;
  }

  #birthOf(name: string, { labels, ageMs }: PageSeries, born: Birth): Birth {
    if (ageMs !== undefined) {
      const known = this.#births.get(labels);
      if (known === undefined) this.#births.set(labels, born);
      return known ?? born;
    }
    const key = `${name} ${JSON.stringify(labels)}`;
    const known = this.#named.get(key);
    if (known !== undefined) return known;
    // What is on the first page is as old as the process.
    const birth = born.generation === 1 ? { ...born, at: this.#since } : born;
    this.#named.set(key, birth);
    return birth;
  }
}

function expose(
  families: readonly Family[],
  format: Format,
  isHeld: (series: PageSeries) => boolean,
): string {
  let text = "";
  for (const { spec, series } of families)
    text += exposeMetric(
      spec,
      series.map((one) => (isHeld(one) ? { labels: one.labels, values: [one.from ?? 0] } : one)),
      format,
    );
  return text + ENDS[format];
}
