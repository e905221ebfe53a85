/** Tells log and trace of what is observed: when it has ended, and the log every 30 seconds of what lasts longer. */

import type { Refusal } from "#model/refusal.ts";
import type { RequestHead } from "../http/message.ts";
import type { AccessLogger } from "../telemetry/access-log.ts";
import type { SpanWriter } from "../telemetry/span.ts";
import { connectionEntry, requestEntry } from "./access-entry.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import { type FindWorkload, servedBy } from "./labels.ts";
import type { Observer } from "./observe.ts";
import type { Plan } from "./plan.ts";
import { type Observation, type RequestLine, type RequestProgress, UNREAD } from "./record.ts";
import { requestLine } from "./request/request-line.ts";
import { spansOf } from "./spans.ts";
import { type Trace, traceOf } from "./trace.ts";

/** How often is told of what goes on, milliseconds. */
const TELL_AGAIN_MS = 30_000;

/** What observing needs. */
export interface ObservingInputs {
  readonly observer: Observer;
  readonly accessLog: AccessLogger;
  /** Where spans go; the observer wants none where there is none. */
  readonly spans: SpanWriter | undefined;
  readonly workload: FindWorkload;
  /** The loop's clock, milliseconds. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly wallClock: () => number;
}

/** What the client has sent and received so far, bytes. */
interface Bytes {
  readonly sent: number;
  readonly received: number;
}

/** A connection of bytes that is observed. */
export interface ObservedConnection {
  /** A while has passed. */
  goesOn(so: Bytes): void;
  ended(all: Bytes, refusal: Refusal | undefined): void;
}

/** What is told of a request, beside its figures. */
interface Told {
  readonly drawn: number;
  readonly line: RequestLine;
  readonly refusal: Refusal | undefined;
  readonly open: boolean;
}

/** Observes for one worker. */
export class Observing {
  readonly #inputs: ObservingInputs;

  constructor(inputs: ObservingInputs) {
    this.#inputs = inputs;
  }

  /** A request begins. Undefined: nobody wants more of it than its counts. */
  request(plan: Plan, head: RequestHead | undefined, probe: boolean): Observation | undefined {
    const { observer } = this.#inputs;
    const interest = observer.interest(plan);
    if (interest === undefined) return undefined;
    const drawn = observer.draw();
    const { trace: share } = interest;
    const traced = share !== "off" && head !== undefined && !probe;
    const trace = traced ? traceOf(head, drawn < share) : undefined;
    if (trace === undefined && drawn >= interest.log) return undefined;
    const line = head === undefined ? UNREAD : requestLine(head);
    const repeat = this.#repeat();
    return {
      goesOn: (progress) => {
        if (repeat.due()) this.#log(progress, { drawn, line, refusal: undefined, open: true });
      },
      ended: (progress, refusal) => {
        const told = { drawn, line, refusal, open: false };
        this.#log(progress, told);
        if (trace !== undefined) this.#trace(progress, trace, told);
      },
    };
  }

  /** A connection begins that is carried as bytes. */
  connection(plan: Plan, endpoint: LiveEndpoint | undefined): ObservedConnection | undefined {
    const { observer, workload, now, wallClock, accessLog } = this.#inputs;
    if ((observer.interest(plan)?.log ?? 0) === 0) return undefined;
    const served = servedBy(plan, endpoint, workload);
    const reporters = observer.logging(plan, served, observer.draw());
    if (reporters.length === 0) return undefined;
    const startedAt = now();
    const repeat = this.#repeat();
    const tell = (bytes: Bytes, refusal: Refusal | undefined, open: boolean): void => {
      const so = { at: wallClock(), durationMs: now() - startedAt, open, refusal, ...bytes };
      for (const reporter of reporters)
        accessLog.log(connectionEntry({ reporter, plan, endpoint, served }, so));
    };
    return {
      goesOn: (so) => {
        if (repeat.due()) tell(so, undefined, true);
      },
      ended: (all, refusal) => tell(all, refusal, false),
    };
  }

  #log(progress: RequestProgress, told: Told): void {
    const { observer, accessLog, workload, wallClock } = this.#inputs;
    const { plan, endpoint } = progress;
    const served = servedBy(plan, endpoint, workload);
    for (const reporter of observer.logging(plan, served, told.drawn))
      accessLog.log(
        requestEntry({ reporter, plan, endpoint, served }, progress, { at: wallClock(), ...told }),
      );
  }

  #trace(progress: RequestProgress, trace: Trace, { line, refusal }: Told): void {
    const { observer, spans, workload, wallClock } = this.#inputs;
    const { plan, endpoint } = progress;
    const served = servedBy(plan, endpoint, workload);
    const traced = { trace, line, at: wallClock(), refusal };
    const reporters = observer.tracing(plan, served);
    for (const span of spansOf({ plan, endpoint, served }, progress, { traced, reporters }))
      spans?.tell(span);
  }

  /** When to tell again of what goes on. */
  #repeat(): { due(): boolean } {
    const { now } = this.#inputs;
    let toldAt = now();
    return {
      due: () => {
        if (now() - toldAt < TELL_AGAIN_MS) return false;
        toldAt = now();
        return true;
      },
    };
  }
}
