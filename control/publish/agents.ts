/** What control knows of each agent: connected or not, what it was sent, what it enforces, what it refused. */

import type { Position } from "./publisher.ts";

/** One agent, as shown by `GET /agents` and `nodemesh status`. Times are RFC 3339 texts. */
export interface AgentState {
  readonly node: string;
  readonly connected: boolean;
  /** When `connected` last changed. */
  readonly since: string;
  /** The newest version handed to the network. */
  readonly sent: Position | undefined;
  /** The newest version that the agent's kernel and workers have. */
  readonly acked: (Position & { readonly at: string }) | undefined;
  /** The latest refusals, newest first, at most MAX_NACKS. */
  readonly nacks: readonly Nack[];
}

/** An agent could not take a version. */
export interface Nack {
  readonly version: number;
  readonly field: string;
  readonly problem: string;
  readonly at: string;
}

/** One stream of one agent: says which stream an event is about. */
export interface AgentLink {
  readonly node: string;
  /** Uid of the agent's pod; undefined where nobody says. */
  readonly pod?: string | undefined;
  /** Told of each ack of the agent while this is its stream. */
  readonly onAck?: (position: Position) => void;
  /** A newer stream of the same pod has come: this one is none any more. */
  readonly onReplaced?: () => void;
}

/** Whether a pod may speak for a node. */
export type Claim =
  /** Nobody does. */
  | { readonly kind: "free" }
  /** It does already. */
  | { readonly kind: "own" }
  /** Another pod does. */
  | { readonly kind: "held"; readonly by: string | undefined };

/** Refusals kept per agent. */
const MAX_NACKS = 8;
/** Agents remembered; beyond it the longest-disconnected is forgotten. Ten times a large cluster. */
const MAX_AGENTS = 50_000;

/** All agents heard of since start. */
export class AgentRegistry {
  readonly #states = new Map<string, AgentState>();
  /** The newest stream of each node, and the newest ack since it was opened. */
  readonly #streams = new Map<string, { readonly link: AgentLink; acked?: Position }>();
  readonly #now: () => Date;
  /** Of those who wait in enforced(). */
  #changed: PromiseWithResolvers<void> | undefined;

  constructor(now: () => Date) {
    this.#now = now;
  }

  /** Whether a pod (by its uid) may speak for a node now. A node has one agent, and one agent has one stream. */
  claim(node: string, pod: string | undefined): Claim {
    const held = this.#streams.get(node);
    if (held === undefined) return { kind: "free" };
    return held.link.pod === pod ? { kind: "own" } : { kind: "held", by: held.link.pod };
  }

  /** A stream was opened by a pod that may: it takes the place of an older one, which is told. */
  connect(node: string, events: Omit<AgentLink, "node"> = {}): AgentLink {
    const link: AgentLink = { ...events, node };
    const older = this.#streams.get(node)?.link;
    this.#streams.set(node, { link });
    older?.onReplaced?.();
    this.#update(node, { connected: true, since: this.#time(), sent: undefined });
    this.#forget();
    return link;
  }

  /** A stream ended; of no effect when a newer one of the same node is there. */
  disconnect(link: AgentLink): void {
    if (this.#streams.get(link.node)?.link !== link) return;
    this.#streams.delete(link.node);
    this.#update(link.node, { connected: false, since: this.#time() });
  }

  /** A version went out on a stream. */
  sent(link: AgentLink, { epoch, version }: Position): void {
    if (this.#streams.get(link.node)?.link === link)
      this.#update(link.node, { sent: { epoch, version } });
  }

  /**
   * An agent enforces a version. What was said on one way may arrive after what was said later on another, so of one stream
   * and epoch the newest counts. Of one stream: whatever a former agent of the node has said, this one is believed.
   */
  acked(node: string, { epoch, version }: Position): void {
    const stream = this.#streams.get(node);
    if (stream?.acked?.epoch === epoch && stream.acked.version > version) return;
    if (stream !== undefined) stream.acked = { epoch, version };
    this.#update(node, { acked: { epoch, version, at: this.#time() } });
    stream?.link.onAck?.({ epoch, version });
  }

  /** The same, said on a stream; false: that one was replaced, and nothing counts that is said on it. */
  ackedOn(link: AgentLink, position: Position): boolean {
    if (this.#streams.get(link.node)?.link !== link) return false;
    this.acked(link.node, position);
    return true;
  }

  /** An agent refused a version. */
  nacked(node: string, nack: Omit<Nack, "at">): void {
    const before = this.#states.get(node)?.nacks ?? [];
    const nacks = [{ ...nack, at: this.#time() }, ...before].slice(0, MAX_NACKS);
    this.#update(node, { nacks });
  }

  /** One agent; undefined when it has never opened a stream here. */
  get(node: string): AgentState | undefined {
    return this.#states.get(node);
  }

  /** All agents, by name. */
  list(): readonly AgentState[] {
    return [...this.#states.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
  }

  /** Resolves when every agent that is connected enforces this version or a later one, at the latest when the signal aborts. Never rejects. */
  async enforced({ epoch, version }: Position, signal: AbortSignal): Promise<void> {
    const isBehind = ({ connected, acked }: AgentState): boolean =>
      connected && !(acked?.epoch === epoch && acked.version >= version);
    const ended = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => ended.resolve(), { once: true });
    while (!signal.aborted && this.#states.values().some(isBehind))
      await Promise.race([this.#nextChange(), ended.promise]);
  }

  #update(node: string, change: Partial<AgentState>): void {
    const known = this.#states.get(node) ?? {
      node,
      connected: false,
      since: this.#time(),
      sent: undefined,
      acked: undefined,
      nacks: [],
    };
    this.#states.set(node, { ...known, ...change });
    this.#changed?.resolve();
    this.#changed = undefined;
  }

  #nextChange(): Promise<void> {
    this.#changed ??= Promise.withResolvers<void>();
    return this.#changed.promise;
  }

  #forget(): void {
    if (this.#states.size <= MAX_AGENTS) return;
    const gone = [...this.#states.values()].filter((state) => !state.connected);
    const oldest = gone.sort((a, b) => (a.since < b.since ? -1 : 1))[0];
    if (oldest !== undefined) this.#states.delete(oldest.node);
  }

  #time(): string {
    return this.#now().toISOString();
  }
}
