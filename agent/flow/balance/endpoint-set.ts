/** One service port in one worker: who may be picked, who is busy, who is shunned. */

import type { Balance, HashKey } from "#model/balance.ts";
import { type Refusal, refuse } from "#model/refusal.ts";
import type { Endpoint } from "#model/service.ts";
import { AffinityTable } from "./affinity.ts";
import { hashText, NO_KEY } from "./hash.ts";
import { type LiveEndpoint, liveEndpoint } from "./live-endpoint.ts";
import { countFailure, eject, type Failure, recover } from "./outlier.ts";
import {
  makePicker,
  observeLatency,
  type Picker,
  type PickRequest,
  pickByHash,
} from "./pickers.ts";
import type { PortSpec } from "./port-spec.ts";
import { RetryBudget } from "./retry-budget.ts";
import type { BalanceSettings, Clock, Random } from "./settings.ts";

/** What an EndpointSet needs from outside. */
export interface EndpointSetInputs {
  /** For refusals: `namespace/name:port`. */
  readonly name: string;
  readonly settings: BalanceSettings;
  readonly clock: Clock;
  readonly random: Random;
}

/** How long a refused connection speaks for the next ones, milliseconds. */
const REFUSAL_MEMORY_MS = 5_000;

/**
 * Running state of a service port. The contract with the caller: every endpoint that pick() returns is given
 * back by release() exactly once; in between, answered() and failed() report what was seen of it.
 *
 * Order of choice: ready and not ejected; else ready but ejected (panic: a guess at an endpoint that may have
 * recovered is better than a certain refusal); else draining; else the refusal `no-endpoints`.
 */
export class EndpointSet {
  readonly retries: RetryBudget;
  readonly #inputs: EndpointSetInputs;
  #balance: Balance;
  #picker: Picker;
  #affinity: AffinityTable | undefined;
  /** By identity; also endpoints that left while busy or ejected, in case they come back. */
  readonly #known = new Map<string, LiveEndpoint>();
  #all: LiveEndpoint[] = [];
  #open: LiveEndpoint[] = [];
  #shunned: LiveEndpoint[] = [];
  #draining: LiveEndpoint[] = [];
  /** When the first ejected endpoint's time is up; Infinity when none is ejected. */
  #nextHalfOpen = Number.POSITIVE_INFINITY;
  #none: Refusal;
  /** When an endpoint last refused a connection; -Infinity when that is long ago. */
  #refusedAt = Number.NEGATIVE_INFINITY;

  constructor(spec: PortSpec, inputs: EndpointSetInputs) {
    this.#inputs = inputs;
    this.retries = new RetryBudget(inputs.settings, inputs.clock);
    this.#balance = spec.balance;
    this.#picker = this.#makePicker(spec.balance);
    this.#none = refuse("no-endpoints", inputs.name);
    this.update(spec);
  }

  /** What the caller must hash into PickRequest.key; undefined when the algorithm needs none. */
  get hashKey(): HashKey | undefined {
    return this.#balance.kind === "consistent-hash" ? this.#balance.key : undefined;
  }

  /** All endpoints of the snapshot with their running state, for metrics and the admin page. */
  get endpoints(): readonly LiveEndpoint[] {
    return this.#all;
  }

  /** Takes a new snapshot's view. What stays keeps its running state; what was picked before is still released here. */
  update(spec: PortSpec): void {
    if (!sameBalance(this.#balance, spec.balance)) this.#picker = this.#makePicker(spec.balance);
    this.#balance = spec.balance;
    this.#setAffinity(spec.affinitySeconds);
    const all = new Map<string, LiveEndpoint>();
    for (const endpoint of spec.endpoints) all.set(identityOf(endpoint), this.#live(endpoint));
    const now = this.#inputs.clock();
    for (const [identity, endpoint] of this.#known) {
      if (all.has(identity)) continue;
      // Whoever still holds it sees that it takes no new requests.
      endpoint.state = "unready";
      if (isForgettable(endpoint, now)) this.#known.delete(identity);
    }
    this.#all = [...all.values()];
    const { elsewhere = 0 } = spec;
    const local = `, ${elsewhere} more for other nodes only (internalTrafficPolicy Local)`;
    const detail = `${this.#all.length} known, none may be used${elsewhere > 0 ? local : ""}`;
    this.#none = refuse("no-endpoints", `${this.#inputs.name}: ${detail}`);
    this.#sort();
  }

  /** Whether nobody listens: lately all ready endpoints have failed since their last answer, one by refusing. */
  get refuses(): boolean {
    if (this.#refusedAt === Number.NEGATIVE_INFINITY) return false;
    if (this.#inputs.clock() - this.#refusedAt > REFUSAL_MEMORY_MS)
      this.#refusedAt = Number.NEGATIVE_INFINITY;
    else return this.#all.every((one) => one.state !== "ready" || one.failures > 0);
    return false;
  }

  /** Chooses an endpoint and counts it as active. The refusal is `no-endpoints`, also when all were tried. */
  pick(request: PickRequest): LiveEndpoint | Refusal {
    if (this.#nextHalfOpen !== Number.POSITIVE_INFINITY) this.#halfOpenDue();
    const chosen =
      this.#choose(this.#open, request) ??
      this.#choose(this.#shunned, request) ??
      this.#choose(this.#draining, request);
    if (chosen === undefined) return this.#none;
    chosen.active++;
    if (chosen.health === "half-open" || chosen.health === "ejected")
      this.#setHealth(chosen, "probing");
    return chosen;
  }

  /** Counts an endpoint as active once more: a client that is bound to it asks again. */
  again(endpoint: LiveEndpoint): void {
    endpoint.active++;
  }

  /** The endpoint answered (connected, for opaque TCP) after `latencyMs`; a NaN latency is not averaged. */
  answered(endpoint: LiveEndpoint, latencyMs: number): void {
    // Reading the clock costs as much as a pick: only who needs the time pays for it.
    if (this.#balance.kind === "ewma") this.#observe(endpoint, latencyMs);
    if (endpoint.failures === 0 && endpoint.health === "healthy") return;
    if (recover(endpoint, this.#inputs.clock())) this.#sort();
  }

  /** The endpoint failed. */
  failed(endpoint: LiveEndpoint, failure: Failure): void {
    const { settings, clock, random } = this.#inputs;
    if (failure === "connect") this.#refusedAt = clock();
    if (!countFailure(endpoint, failure, settings)) return;
    if (endpoint.health === "healthy" && !this.#canSpare()) return;
    eject(endpoint, settings, { now: clock(), random });
    this.#sort();
  }

  /** Gives a picked endpoint back; a probe that ended without a verdict leaves its place to the next request. */
  release(endpoint: LiveEndpoint): void {
    if (endpoint.active === 0)
      throw new Error(`${endpoint.address}: released more often than picked`);
    endpoint.active--;
    if (endpoint.health === "probing") this.#setHealth(endpoint, "half-open");
  }

  #observe(endpoint: LiveEndpoint, latencyMs: number): void {
    const { clock, settings } = this.#inputs;
    observeLatency(endpoint, latencyMs, { now: clock(), decayMs: settings.latencyDecayMs });
  }

  #choose(list: readonly LiveEndpoint[], request: PickRequest): LiveEndpoint | undefined {
    if (list.length === 0) return undefined;
    const { tried } = request;
    const candidates = tried.length === 0 ? list : list.filter((one) => !tried.includes(one));
    if (candidates.length === 0) return undefined;
    if (this.#affinity === undefined || request.client === NO_KEY)
      return this.#picker(candidates, request);
    return this.#sticky(this.#affinity, candidates, request.client);
  }

  /** First sight is by hash, not by the algorithm, so that all workers of a node give a client the same endpoint. */
  #sticky(table: AffinityTable, candidates: readonly LiveEndpoint[], client: number): LiveEndpoint {
    const now = this.#inputs.clock();
    const last = table.get(client, now);
    const chosen =
      last !== undefined && candidates.includes(last) ? last : pickByHash(candidates, client);
    table.set(client, chosen, now);
    return chosen;
  }

  #live(endpoint: Endpoint): LiveEndpoint {
    const identity = identityOf(endpoint);
    const known = this.#known.get(identity);
    if (known !== undefined) {
      known.state = endpoint.state;
      return known;
    }
    const fresh = liveEndpoint(endpoint, hashText(`${endpoint.address} ${endpoint.port}`));
    this.#known.set(identity, fresh);
    return fresh;
  }

  #setAffinity(seconds: number | undefined): void {
    const ttlMs = seconds === undefined ? undefined : seconds * 1_000;
    if (this.#affinity?.ttlMs === ttlMs) return;
    this.#affinity =
      ttlMs === undefined
        ? undefined
        : new AffinityTable(ttlMs, this.#inputs.settings.affinityClients);
  }

  #makePicker(balance: Balance): Picker {
    const { clock, random, settings } = this.#inputs;
    return makePicker(balance, { clock, random, latencyDecayMs: settings.latencyDecayMs });
  }

  /** Whether one more ready endpoint may be ejected. */
  #canSpare(): boolean {
    const ready = this.#all.filter((one) => one.state === "ready");
    const ejected = ready.filter((one) => one.health !== "healthy").length;
    return ejected + 1 <= (ready.length * this.#inputs.settings.maxEjectionPercent) / 100;
  }

  #setHealth(endpoint: LiveEndpoint, health: LiveEndpoint["health"]): void {
    endpoint.health = health;
    this.#sort();
  }

  #halfOpenDue(): void {
    const now = this.#inputs.clock();
    if (now < this.#nextHalfOpen) return;
    for (const endpoint of this.#all)
      if (endpoint.health === "ejected" && endpoint.ejectedUntil <= now)
        endpoint.health = "half-open";
    this.#sort();
  }

  /** Puts every endpoint in its list again: after a snapshot or a change of health, both rare. */
  #sort(): void {
    const ready = this.#all.filter((one) => one.state === "ready");
    const isOpen = (one: LiveEndpoint) => one.health === "healthy" || one.health === "half-open";
    this.#open = ready.filter(isOpen);
    this.#shunned = ready.filter((one) => !isOpen(one));
    this.#draining = this.#all.filter((one) => one.state === "draining");
    this.#nextHalfOpen = this.#all.reduce(
      (first, one) => (one.health === "ejected" ? Math.min(first, one.ejectedUntil) : first),
      Number.POSITIVE_INFINITY,
    );
  }
}

/** A pod that took over another's address is another endpoint: it inherits neither load nor blame. */
function identityOf(endpoint: Endpoint): string {
  return `${endpoint.address} ${endpoint.port} ${endpoint.workload ?? ""}`;
}

/** Whether an endpoint that left the service may be dropped: it is idle and would come back with a clean slate anyway. */
function isForgettable(endpoint: LiveEndpoint, now: number): boolean {
  const shunned = endpoint.health === "ejected" && endpoint.ejectedUntil > now;
  return endpoint.active === 0 && !shunned;
}

function sameBalance(a: Balance, b: Balance): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
