/** From changes at the API server and versions at the agents to how long each change took. */

/** A change was accepted by the API server. */
export interface Event {
  /** The Service it is about, as snapshots name it. */
  readonly service: string;
  /** When it was sent: no version seen before can hold it. */
  readonly sentAt: number;
  /** When its answer had been read: the change was made before. */
  readonly at: number;
}

/** A version reached the first agent, and (when it did) enough agents. */
export interface Arrival {
  readonly version: number;
  readonly services: readonly string[];
  readonly seenAt: number;
  readonly settledAt: number | undefined;
}

/** How long a change took. The API server made it between the two beginnings, and tells nobody when. */
export interface Lag {
  /** Milliseconds from its sending: the upper bound. */
  readonly sinceSentMs: number;
  /** Milliseconds from the API server's answer: the lower bound. */
  readonly sinceAnsweredMs: number;
}

/**
 * From each event to the settling of the first version seen after it that changes its Service; undefined for an event
 * that never got there. A Service's events must be further apart than their lags: else a version with an earlier event
 * would be taken for a later one's.
 */
export function lagsOf(
  events: readonly Event[],
  arrivals: readonly Arrival[],
): readonly (Lag | undefined)[] {
  return events.map(({ service, sentAt, at }) => {
    const arrival = arrivals.find(
      ({ seenAt, services }) => seenAt >= sentAt && services.includes(service),
    );
    if (arrival?.settledAt === undefined) return undefined;
    return { sinceSentMs: arrival.settledAt - sentAt, sinceAnsweredMs: arrival.settledAt - at };
  });
}

/** The value that `share` of all are at most; throws when there is none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
  if (value === undefined) throw new Error("no value to take a quantile of");
  return value;
}
