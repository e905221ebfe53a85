/** What a test tells a driver in a pod, and what it answers. */

/** An address and a port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** One command. Times in milliseconds, data in base64. */
export type Command =
  | {
      readonly op: "connect";
      readonly host: string;
      readonly port: number;
      readonly timeoutMs: number;
    }
  | { readonly op: "listen"; readonly host: string; readonly port: number }
  | { readonly op: "accept"; readonly listener: number; readonly timeoutMs: number }
  | { readonly op: "echo"; readonly listener: number }
  | { readonly op: "close-listener"; readonly listener: number }
  | { readonly op: "write"; readonly socket: number; readonly data: string }
  | {
      readonly op: "read";
      readonly socket: number;
      readonly bytes: number;
      readonly timeoutMs: number;
    }
  | { readonly op: "send"; readonly socket: number; readonly bytes: number; readonly seed: string }
  | {
      readonly op: "drain";
      readonly socket: number;
      readonly timeoutMs: number;
      /** Reads no faster than this. */
      readonly bytesPerSecond?: number;
    }
  | {
      readonly op: "burst";
      readonly host: string;
      readonly port: number;
      readonly count: number;
      readonly parallel: number;
    }
  | { readonly op: "end" | "reset" | "pause" | "resume"; readonly socket: number };

/** Everything an answer may hold; `error` when the command failed. */
export interface Result {
  readonly error?: string;
  readonly socket?: number;
  readonly listener?: number;
  readonly local?: Endpoint;
  readonly remote?: Endpoint;
  readonly data?: string;
  readonly bytes?: number;
  readonly sha256?: string;
  /** How the peer's side of the stream stands. */
  readonly ended?: "open" | "fin" | "reset" | "error";
  readonly count?: number;
  readonly failed?: number;
  /** How many failed in which way; absent when none did. */
  readonly failures?: Readonly<Record<string, number>>;
}

/** One line of the driver's output. */
export interface Answer {
  readonly id: number;
  readonly result: Result;
}
