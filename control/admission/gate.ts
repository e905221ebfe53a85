/**
 * In which order agents are let in. A question to the API server costs it a signature, and strangers can ask without end:
 * an agent that is known never waits for them, an agent that is new waits for few, and however many strangers there are,
 * the API server hears of so many in a second.
 */

import { TurnsByAddress } from "../../agent/telemetry/turns.ts";

/** A yes, for which pod (its uid) if that is known, and when to ask again; or a no with HTTP's status and the cause in words. */
export type StreamAdmission =
  | { readonly kind: "admitted"; readonly againMs: number; readonly pod?: string | undefined }
  | { readonly kind: "refused"; readonly status: number; readonly problem: string };

/** What is known of a token without asking anybody. */
export type Recollection =
  /** Judged lately: nobody needs to be asked. */
  | { readonly kind: "fresh"; readonly admission: StreamAdmission }
  /** It was an agent's when it was judged last. */
  | { readonly kind: "agent" }
  | { readonly kind: "unknown" };

/** One connection. */
export interface Asker {
  readonly address: string;
  /** Whether nobody waits for an answer any more. */
  readonly isGone: () => boolean;
}

/** What a gate works with. */
export interface GateOptions {
  /** Judges an `authorization` header for a node, perhaps by a question to the API server. Must not reject. */
  readonly admit: (node: string, authorization: string | undefined) => Promise<StreamAdmission>;
  /** Without it every token is unknown. */
  readonly recall?: (node: string, authorization: string | undefined) => Recollection;
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number;
}

/** So many refusals within MEMORY_MS make an address suspect: an agent that is refused comes back a few times. */
const SUSPECT_REFUSALS = 8;
const MEMORY_MS = 60_000;
/** Addresses whose refusals are remembered; the one that began first is forgotten first. */
const MAX_ADDRESSES = 4096;
/** Questions of one connection that wait for one another: as many as an agent has streams. */
const MAX_WAITING = 16;
/** Questions at a time of addresses that are not suspect; the rest of the admitter's MAX_ASKING is for known agents and suspects. */
const ASKING = 24;
/** Questions at a time of suspect addresses, and how far apart they begin: 200 a second, all together. */
const SUSPECT_ASKING = 4;
const SUSPECT_APART_MS = 5;

interface AskerState {
  /** Ends when the last of its questions is answered. */
  last: Promise<void>;
  waiting: number;
  admitted: boolean;
  /** It was refused before it was admitted for anything. */
  refusal: StreamAdmission | undefined;
}

interface Refusals {
  count: number;
  readonly since: number;
}

/** The gate of one server. */
export class AdmissionGate {
  readonly #options: GateOptions;
  readonly #askers = new WeakMap<Asker, AskerState>();
  readonly #refusals = new Map<string, Refusals>();
  readonly #turns = new TurnsByAddress({ atATime: ASKING, apartMs: 0 });
  readonly #suspectTurns = new TurnsByAddress({
    atATime: SUSPECT_ASKING,
    apartMs: SUSPECT_APART_MS,
  });

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Judges what a connection shows. One that was refused and never admitted gets the same answer for all that it still asks. */
  async admit(
    asker: Asker,
    node: string,
    authorization: string | undefined,
  ): Promise<StreamAdmission> {
    const known = this.#options.recall?.(node, authorization) ?? { kind: "unknown" };
    const state = this.#stateOf(asker);
    if (known.kind === "fresh") return this.#note(asker, known.admission);
    if (known.kind === "agent")
      return this.#note(asker, await this.#options.admit(node, authorization));
    if (state.waiting >= MAX_WAITING)
      return { kind: "refused", status: 503, problem: "too many questions at a time" };
    state.waiting++;
    const answer = state.last.then(() => this.#ask(asker, node, authorization));
    state.last = answer.then(() => {
      state.waiting--;
    });
    return answer;
  }

  /** Whether it was refused and never admitted. */
  isRefused(asker: Asker): boolean {
    return this.#askers.get(asker)?.refusal !== undefined;
  }

  async #ask(
    asker: Asker,
    node: string,
    authorization: string | undefined,
  ): Promise<StreamAdmission> {
    const { refusal, admitted } = this.#stateOf(asker);
    if (refusal !== undefined) return refusal;
    const turns = !admitted && this.#isSuspect(asker.address) ? this.#suspectTurns : this.#turns;
    const turn = await turns.take(asker);
    if (turn === undefined) return { kind: "refused", status: 503, problem: "gone" };
    try {
      return this.#note(asker, await this.#options.admit(node, authorization));
    } finally {
      turn.end();
    }
  }

  #stateOf(asker: Asker): AskerState {
    return this.#askers.getOrInsertComputed(asker, () => ({
      last: Promise.resolve(),
      waiting: 0,
      admitted: false,
      refusal: undefined,
    }));
  }

  #note(asker: Asker, admission: StreamAdmission): StreamAdmission {
    const state = this.#stateOf(asker);
    if (admission.kind === "admitted") {
      state.admitted = true;
      state.refusal = undefined;
    } else if (admission.status < 500 && !state.admitted) {
      state.refusal = admission;
      this.#suspect(asker.address);
    }
    return admission;
  }

  #suspect(address: string): void {
    const now = this.#options.now();
    const known = this.#refusals.get(address);
    if (known !== undefined && now - known.since < MEMORY_MS) {
      known.count++;
      return;
    }
    this.#refusals.delete(address);
    this.#refusals.set(address, { count: 1, since: now });
    const [oldest] = this.#refusals.keys();
    if (this.#refusals.size > MAX_ADDRESSES && oldest !== undefined) this.#refusals.delete(oldest);
  }

  #isSuspect(address: string): boolean {
    const known = this.#refusals.get(address);
    if (known === undefined || this.#options.now() - known.since >= MEMORY_MS) return false;
    return known.count >= SUSPECT_REFUSALS;
  }
}
