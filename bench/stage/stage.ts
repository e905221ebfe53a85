/** Where the load generator, the proxies and the backends run: the same for all peers of a round. */
import type { CommandOutput, Service } from "../harness/process.ts";

/** How large an answer a request asks for. */
export type AnswerSize = "small" | "large" | "bulk";

/** Paths that every backend serves. */
export const PATHS: Readonly<Record<AnswerSize, string>> = {
  small: "/100",
  large: "/10k",
  bulk: "/bulk",
};

/** Bytes of the answer to each of PATHS. */
export const ANSWER_BYTES: Readonly<Record<AnswerSize, number>> = {
  small: 100,
  large: 10_000,
  bulk: 64 * 1024 * 1024,
};

/** Where load generators run. */
export interface ClientPod {
  /** Runs a load generator in the client pod to its end. */
  run(argv: readonly string[], timeoutMs: number): Promise<CommandOutput>;
  /** Starts a client in the client pod that stays. */
  client(argv: readonly string[]): Service;
}

/** A client pod and three backends. */
export interface Stage extends ClientPod, AsyncDisposable {
  /** `ADDRESS:PORT` of the backends. */
  readonly backends: readonly string[];
  /** What a client without any proxy dials: `ADDRESS:PORT`. */
  readonly direct: string;
  /** Starts a peer's proxy process in the client pod's network, as a sidecar would be. */
  sidecar(argv: readonly string[]): Service;
}
