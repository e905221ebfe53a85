/** What a worker tells of one request in a trace, as it crosses to main through a ring (log-ring.ts): a line of JSON each. */

import { LogRingWriter } from "./log-ring.ts";

/** One span. Times are in milliseconds. */
export interface SpanRecord {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits, as the next two. */
  readonly spanId: string;
  /** The span that it is part of; not there when it began the trace. */
  readonly parentId?: string | undefined;
  /** `client`: of the agent of the client's pod; `server`: of the agent of the server's. */
  readonly kind: "client" | "server";
  readonly name: string;
  /** Since 1970. */
  readonly startedAt: number;
  readonly durationMs: number;
  /** Whose span it is: the workload on whose side it was made, and which of its pods. */
  readonly of: SpanOwner;
  /** By the names of OpenTelemetry's semantic conventions, and `nodemesh.` ones. */
  readonly attributes: Readonly<Record<string, string | number>>;
  /** It failed: why, in words. */
  readonly error?: string | undefined;
}

/** A workload and one of its pods. */
export interface SpanOwner {
  readonly namespace: string;
  readonly workload: string;
  readonly pod: string;
}

/** The worker's side. */
export class SpanWriter {
  readonly #ring: LogRingWriter;

  /** `ring`: from createLogRing(). */
  constructor(ring: SharedArrayBuffer) {
    this.#ring = new LogRingWriter(ring);
  }

  /** Queues a span for main; drops it, and counts that, when main is behind. */
  tell(span: SpanRecord): void {
    this.#ring.offer(JSON.stringify(span));
  }
}
