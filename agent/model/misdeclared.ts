/** Ports that are declared HTTP/1 and on which something else is spoken: what agents tell control of, bounded. */

/** What is spoken there instead. */
export type Misspoken = "http2" | "tls" | "proxy" | "other";

/** Every value, for readers. */
export const MISSPOKEN: readonly Misspoken[] = ["http2", "tls", "proxy", "other"];

/** A port and what was spoken on it. */
export type MisdeclaredPort =
  /** A client dialled this port of a Service. `service`: its key, `namespace/name`. */
  | {
      readonly kind: "service";
      readonly service: string;
      readonly port: number;
      readonly spoken: Misspoken;
    }
  /** A client dialled this port of a pod, or came to it. `pod`: its uid. */
  | {
      readonly kind: "pod";
      readonly pod: string;
      readonly port: number;
      readonly spoken: Misspoken;
    };

/** Ports that one agent remembers: more than this is a general fault of which these tell enough. */
export const MAX_MISDECLARED = 32;

/** A longer name is not remembered, so that all of them together fit into an ack. */
const MAX_NAME = 256;

/** Ports noted lately, each once. */
export class MisdeclaredPorts {
  readonly #rememberMs: number;
  readonly #now: () => number;
  /** By everything that is said of them. */
  readonly #noted: Map<string, { readonly port: MisdeclaredPort; readonly at: number }> = new Map();
  #revision = 0;

  /** `rememberMs`: for how long. `now`: any clock, in milliseconds. */
  constructor(rememberMs: number, now: () => number) {
    this.#rememberMs = rememberMs;
    this.#now = now;
  }

  /** Rises whenever the list becomes another one; 0 = it was always empty. */
  get revision(): number {
    this.#forget();
    return this.#revision;
  }

  /** Notes a port that is not remembered; whether it was one, and there was room for it. */
  note(port: MisdeclaredPort): boolean {
    this.#forget();
    if (this.#noted.has(keyOf(port))) return false;
    if (this.#noted.size >= MAX_MISDECLARED || nameOf(port).length > MAX_NAME) return false;
    this.#put(port);
    this.#revision++;
    return true;
  }

  /** Notes a port, and remembers one that was noted before from now on. */
  renew(port: MisdeclaredPort): void {
    if (!this.note(port) && this.#noted.has(keyOf(port))) this.#put(port);
  }

  /** All that is remembered. */
  list(): readonly MisdeclaredPort[] {
    this.#forget();
    return Array.from(this.#noted.values(), ({ port }) => port);
  }

  #put(port: MisdeclaredPort): void {
    this.#noted.set(keyOf(port), { port, at: this.#now() });
  }

  #forget(): void {
    const limit = this.#now() - this.#rememberMs;
    for (const [key, { at }] of this.#noted)
      if (at <= limit) {
        this.#noted.delete(key);
        this.#revision++;
      }
  }
}

function nameOf(port: MisdeclaredPort): string {
  return port.kind === "service" ? port.service : port.pod;
}

function keyOf(port: MisdeclaredPort): string {
  return `${port.kind} ${port.port} ${port.spoken} ${nameOf(port)}`;
}
