/** What the bench and its crowd of agents say to each other, and the clock that both read. */

/** Milliseconds of the machine's monotonic clock: the same in every process. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** What the crowd is told, once. */
export interface CrowdOrder {
  readonly control: {
    readonly host: string;
    readonly port: number;
    readonly caFile: string;
    readonly serverName: string;
  };
  readonly nodes: readonly { readonly name: string; readonly tokenFile: string }[];
  /** A version is settled when this share of the agents has acknowledged it or a later one. */
  readonly share: number;
}

/** What all agents have got since the start, in bytes and messages. */
export interface Traffic {
  readonly messages: number;
  /** Of the messages themselves. */
  readonly payloadBytes: number;
  /** Of the TCP connections, TLS, HTTP/2 and answers to acks included. */
  readonly wireBytes: number;
}

/** What the crowd tells. Times are of monotonicMs. */
export type CrowdReport =
  /** Every agent has acknowledged its first message. */
  | { readonly kind: "gathered"; readonly at: number }
  /** The first agent got a version that changes these Services (`namespace/name`). */
  | {
      readonly kind: "seen";
      readonly version: number;
      readonly services: readonly string[];
      readonly at: number;
    }
  /** Enough agents have acknowledged a version that was seen. */
  | { readonly kind: "settled"; readonly version: number; readonly at: number }
  /** The answer to the message "traffic". */
  | { readonly kind: "traffic"; readonly traffic: Traffic }
  | { readonly kind: "failed"; readonly problem: string };
