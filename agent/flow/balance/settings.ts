/** What the balancer needs from outside, and its few numbers. */

/** Monotonic time in milliseconds; only differences matter. */
export type Clock = () => number;

/** A number in [0, 1), as Math.random. */
export type Random = () => number;

/** Numbers of passive ejection, affinity and retries. Times in milliseconds. */
export interface BalanceSettings {
  /** Failures in a row after which an endpoint that does answer (badly) is ejected; at least 1. */
  readonly failuresToEject: number;
  /** The same when the last failure was a connect failure: nobody is listening, so fewer suffice. */
  readonly connectFailuresToEject: number;
  /** Longest first ejection; each further one in a row may last twice as long. */
  readonly ejectionBaseMs: number;
  /** Longest ejection ever. */
  readonly ejectionMaxMs: number;
  /** At most this share (0 to 100) of the ready endpoints is ejected at once, rounded down. */
  readonly maxEjectionPercent: number;
  /** Time constant of the latency average's decay. */
  readonly latencyDecayMs: number;
  /** Clients remembered per service port with ClientIP affinity; rounded up to a power of two, at least 8. */
  readonly affinityClients: number;
  /** Retries allowed per request, on average: 0.2 = 20 %. */
  readonly retryRatio: number;
  /** Retries per second allowed whatever the number of requests. */
  readonly retriesPerSecond: number;
}

/**
 * Defaults. The ejection lasts a random time between half and all of its bound, so 1 to 2 s at first and
 * 30 to 60 s at the end: the jitter keeps workers and nodes from probing in the same instant.
 */
export const DEFAULT_BALANCE_SETTINGS: BalanceSettings = {
  failuresToEject: 5,
  connectFailuresToEject: 3,
  ejectionBaseMs: 2_000,
  ejectionMaxMs: 60_000,
  maxEjectionPercent: 50,
  latencyDecayMs: 10_000,
  affinityClients: 4_096,
  retryRatio: 0.2,
  retriesPerSecond: 10,
};
