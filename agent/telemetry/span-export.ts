/**
 * Main's side of spans: takes them out of the workers' rings and has them sent. The rings are the only queue: while as
 * much is on its way as may be, they fill, and what finds no room in them is dropped and counted. So is what the
 * collector does not take. No worker ever waits.
 */

import { LogRingReader } from "./log-ring.ts";
import type { SpanSender } from "./otlp.ts";
import type { SpanRecord } from "./span.ts";

/** Batches on their way at a time: one that is tried again shall not hold up all others. */
const MOST_ON_THEIR_WAY = 4;

/** How long an agent that ends waits for what is on its way, milliseconds. */
const LAST_MS = 2000;

/** Inputs of a SpanExport. */
export interface SpanExportInputs {
  readonly sender: SpanSender;
  readonly rings: readonly SharedArrayBuffer[];
  /** The collector began, or ceased, to take spans; the text says why not. Not said again while it lasts. */
  readonly onChange: (problem: string | undefined) => void;
}

/** Sends all workers' spans. */
export class SpanExport {
  readonly #inputs: SpanExportInputs;
  readonly #readers: readonly LogRingReader[];
  readonly #onTheirWay: Set<Promise<void>> = new Set();
  #sent = 0;
  #refused = 0;
  #failing = false;

  constructor(inputs: SpanExportInputs) {
    this.#inputs = inputs;
    this.#readers = inputs.rings.map((ring) => new LogRingReader(ring));
  }

  /** Spans that the collector took. */
  get sent(): number {
    return this.#sent;
  }

  /** Spans that found no room, or that the collector did not take. */
  get dropped(): number {
    return this.#readers.reduce((sum, { dropped }) => sum + dropped, this.#refused);
  }

  /** Sends what is queued. Call it a few times per second. */
  flush(): void {
    for (const reader of this.#readers) {
      if (this.#onTheirWay.size >= MOST_ON_THEIR_WAY) return;
      const spans = spansIn(reader.take());
      if (spans.length > 0) this.#send(spans);
    }
  }

  /** Sends what is left, and waits for it a little. */
  async close(): Promise<void> {
    this.flush();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, LAST_MS);
    const closed = Promise.all(this.#onTheirWay).then(() => this.#inputs.sender.close());
    await Promise.race([closed.catch(() => {}), late.promise]);
    clearTimeout(timer);
  }

  #send(spans: readonly SpanRecord[]): void {
    const { sender } = this.#inputs;
    const sending = sender
      .send(spans)
      .then(
        () => {
          this.#sent += spans.length;
          this.#tell(undefined);
        },
        (cause: unknown) => {
          this.#refused += spans.length;
          this.#tell(cause instanceof Error ? cause.message : String(cause));
        },
      )
      .finally(() => this.#onTheirWay.delete(sending));
    this.#onTheirWay.add(sending);
  }

  #tell(problem: string | undefined): void {
    const failing = problem !== undefined;
    if (failing === this.#failing) return;
    this.#failing = failing;
    this.#inputs.onChange(problem);
  }
}

/** Lines of workers of this very agent: they are what spans are written as. */
function spansIn(bytes: Uint8Array): readonly SpanRecord[] {
  if (bytes.length === 0) return [];
  const lines = new TextDecoder().decode(bytes).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as SpanRecord);
}
