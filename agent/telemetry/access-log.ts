/** The access log: JSON lines of what workers observe (agent/flow/observe.ts), written by main. */

import type { Reason } from "#model/refusal.ts";
import { LogRingReader, LogRingWriter } from "./log-ring.ts";

/** One request, or one connection of a protocol that has no requests. Absent fields are left out of the line. */
export interface AccessEntry {
  readonly kind: "request" | "connection";
  /** When it ended, or was told of: milliseconds since 1970. */
  readonly at: number;
  /** It goes on: what follows is so far. Of a long one there is a line every 30 seconds, and one when it has ended. */
  readonly open?: true | undefined;
  readonly reporter: "source" | "destination";
  /** `namespace/workload`. */
  readonly source: string;
  /** Name of the pod, in that namespace. */
  readonly sourcePod?: string | undefined;
  readonly sourceAddress: string;
  /** `namespace/workload` of the pod that served it. */
  readonly destination?: string | undefined;
  /** Name of the pod, in that namespace. */
  readonly destinationPod?: string | undefined;
  /** What the application dialled, `address:port`. */
  readonly dialled: string;
  /** `namespace/name` of the Service dialled. */
  readonly service?: string | undefined;
  /** `address:port` that it was carried to. */
  readonly endpoint?: string | undefined;
  readonly protocol: string;
  readonly method?: string | undefined;
  readonly host?: string | undefined;
  /** Without the query: queries hold secrets. */
  readonly path?: string | undefined;
  readonly code?: number | undefined;
  readonly reason?: Reason | undefined;
  /** Refusal.rule: which rule of docs/http.md. */
  readonly rule?: string | undefined;
  /** Refusal.detail. */
  readonly detail?: string | undefined;
  readonly durationMs: number;
  /** Of a request its body's, of one that became a tunnel all after its head; of a connection all. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Endpoints tried, when more than one. */
  readonly attempts?: number | undefined;
}

/** Longest text of one field in characters: a line stays bounded whatever a client sends. */
const MAX_FIELD = 1_024;

/** The worker's side. */
export class AccessLogger {
  readonly #ring: LogRingWriter;

  /** `ring`: from createLogRing(). */
  constructor(ring: SharedArrayBuffer) {
    this.#ring = new LogRingWriter(ring);
  }

  /** Queues a line for main; drops it when main is behind. */
  log(entry: AccessEntry): void {
    this.#ring.offer(formatEntry(entry));
  }
}

/** The line of an entry, without newline. */
export function formatEntry(entry: AccessEntry): string {
  const { at, ...fields } = entry;
  return JSON.stringify({ time: new Date(at).toISOString(), ...fields }, (_name, value: unknown) =>
    typeof value === "string" && value.length > MAX_FIELD ? `${value.slice(0, MAX_FIELD)}…` : value,
  );
}

/** Where lines go: a Writable of node:stream fits. */
export interface LogSink {
  /** False: wait for `drain` before the next write. */
  write(chunk: Uint8Array): boolean;
  once(event: "drain", listener: () => void): unknown;
}

/** Main's side. */
export class AccessLog {
  readonly #sink: LogSink;
  readonly #readers = new Map<SharedArrayBuffer, LogRingReader>();
  #droppedByGone = 0;
  #blocked = false;

  constructor(sink: LogSink) {
    this.#sink = sink;
  }

  /** Lines lost so far in all workers, dead ones too. */
  get dropped(): number {
    let dropped = this.#droppedByGone;
    for (const reader of this.#readers.values()) dropped += reader.dropped;
    return dropped;
  }

  /** Reads from a worker's ring from now on. */
  attach(ring: SharedArrayBuffer): void {
    if (!this.#readers.has(ring)) this.#readers.set(ring, new LogRingReader(ring));
  }

  /** The worker is gone: what it left is written (even when the sink asked to wait: it is bounded), its drops are kept. */
  detach(ring: SharedArrayBuffer): void {
    const reader = this.#readers.get(ring);
    if (reader === undefined) return;
    this.#readers.delete(ring);
    this.#droppedByGone += reader.dropped;
    this.#write(reader.take());
  }

  /** Writes what is queued, unless the sink is behind. Call it a few times per second. */
  flush(): void {
    for (const reader of this.#readers.values()) {
      if (this.#blocked) return;
      this.#write(reader.take());
    }
  }

  #write(lines: Uint8Array): void {
    if (lines.length === 0 || this.#sink.write(lines) || this.#blocked) return;
    this.#blocked = true;
    this.#sink.once("drain", () => {
      this.#blocked = false;
    });
  }
}
