/**
 * Follows one collection for life: lists it in pages, watches from there, and goes on after every kind of
 * failure (what comes next is decided in watch-decide.ts). client-node's own informer is not used: it lists
 * without pages, has no back-off, and takes any broken line for nothing.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { type Dispatcher, request } from "undici";
import type { Change } from "../world.ts";
import type { Condition } from "./api/condition.ts";
import type { Decoded } from "./api/decode.ts";
import type { ApiAccess } from "./endpoint.ts";
import { LineCutter, LineTooLong } from "./json-lines.ts";
import { decodeItem } from "./lean.ts";
import { ObjectCache } from "./object-cache.ts";
import { acceptOf, type Resource } from "./resources.ts";
import { decideNext, type Next, type Outcome, troubleOf } from "./watch-decide.ts";

/** What a reflector works with. */
export interface ReflectorOptions {
  readonly resource: Resource;
  /** Asked before every request; may reject. */
  readonly access: () => Promise<ApiAccess>;
  /** Changes in their order; an empty batch when only conditions changed. */
  readonly onChanges: (changes: readonly Change[]) => void;
  /** Something failed, with a text for operators; undefined = well again. Called when it changes. */
  readonly onTrouble: (trouble: string | undefined) => void;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** A list is repeated after this long. Default 30 minutes, spread by a tenth. */
  readonly resyncMs?: number;
  /**
   * A watch without a byte for this long is asked for anew, in case its connection is dead. Default 2.5 minutes:
   * busy collections get a bookmark every minute, quiet ones may get nothing for the whole of a watch.
   */
  readonly silenceMs?: number;
  /** Items of one page. Default 500, as kubectl's. */
  readonly pageSize?: number;
}

/** How a reflector is doing. */
export interface ReflectorState {
  readonly objects: number;
  /** Complete lists so far: 1 plus re-lists; 0 = the first one is awaited. */
  readonly lists: number;
  /** Lists and watches so far that failed. */
  readonly failures: number;
  /** Milliseconds since the last word of it: a complete list, a watch taken, an event, a bookmark; undefined = never. */
  readonly heardMsAgo: number | undefined;
  /** Why it can't be followed now. */
  readonly trouble: string | undefined;
}

/** The largest object is 1.5 MiB in etcd; JSON with escapes and an event around it is less than this. */
const MAX_LINE_BYTES = 16 << 20;
/** One page of 500 large objects. */
const MAX_PAGE_BYTES = 256 << 20;
/** Watches are asked to end after five to ten minutes, so that they spread over API servers again. */
const WATCH_SECONDS = 300;

/** Ends a list or a watch with its outcome. */
class Ended extends Error {
  readonly outcome: Outcome;
  constructor(outcome: Outcome) {
    super(outcome.kind);
    this.outcome = outcome;
  }
}

/** One collection, followed. */
export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #cache = new ObjectCache();
  readonly #first = Promise.withResolvers<void>();
  /** Where a watch goes on; undefined = a list must come first. */
  #version: string | undefined;
  #listedAt = 0;
  /** Whether the watch of now has said something: what failed before is over. */
  #heard = false;
  #trouble: string | undefined;
  #lists = 0;
  #failures = 0;
  #heardAt: number | undefined;

  constructor(options: ReflectorOptions) {
    this.#options = options;
  }

  /** Resolves when the first complete list has been reported, also as an empty one of a kind not defined yet. */
  get listed(): Promise<void> {
    return this.#first.promise;
  }

  /** How it is doing now. */
  get state(): ReflectorState {
    const heardMsAgo =
      this.#heardAt === undefined ? undefined : this.#options.now() - this.#heardAt;
    return {
      objects: this.#cache.size,
      lists: this.#lists,
      failures: this.#failures,
      heardMsAgo,
      trouble: this.#trouble,
    };
  }

  /** What must be said about objects that can't be read. */
  conditions(): readonly Condition[] {
    return this.#cache.conditions();
  }

  /** Runs until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let next: Next = { act: "list", delayMs: 0, failures: 0 };
    while (!signal.aborted) {
      // Rejects only when aborted, which the loop sees.
      if (next.delayMs > 0) await sleep(next.delayMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      this.#heard = false;
      const outcome = await this.#attempt(next.act, signal);
      if (signal.aborted) return;
      this.#note(outcome);
      next = this.#decide(outcome, this.#heard ? 0 : next.failures);
      if (next.act === "list") this.#version = undefined;
    }
  }

  #decide(outcome: Outcome, failures: number): Next {
    const { now, random, resyncMs = 30 * 60_000 * (0.95 + random() / 10) } = this.#options;
    const listAgeMs = now() - this.#listedAt;
    const synced = this.#version !== undefined;
    return decideNext(outcome, { synced, failures, listAgeMs, resyncMs }, random());
  }

  async #attempt(act: Next["act"], signal: AbortSignal): Promise<Outcome> {
    try {
      if (act === "list" || this.#version === undefined) return await this.#list(signal);
      return await this.#watch(this.#version, signal);
    } catch (cause) {
      if (cause instanceof Ended) return cause.outcome;
      if (cause instanceof LineTooLong) return { kind: "malformed", problem: cause.message };
      return { kind: "broken", problem: problemOf(cause) };
    }
  }

  #note(outcome: Outcome): void {
    if (outcome.kind !== "unknown-kind" && troubleOf(outcome) !== undefined) this.#failures++;
    if (outcome.kind === "unknown-kind") {
      this.#heardAt = this.#options.now();
      this.#options.onChanges(this.#cache.replace([]));
      this.#first.resolve();
    }
    this.#tell(troubleOf(outcome));
  }

  #tell(trouble: string | undefined): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#options.onTrouble(trouble);
  }

  async #list(signal: AbortSignal): Promise<Outcome> {
    const { resource, onChanges, now, pageSize = 500 } = this.#options;
    // Decoded page by page: the raw objects of all pages at once would be many times as large.
    const verdicts: Decoded[] = [];
    let next = "";
    let version = "";
    do {
      const page = await this.#page(
        { limit: String(pageSize), ...(next && { continue: next }) },
        signal,
      );
      for (const item of page.items) verdicts.push(...decodeItem(item, resource));
      version = page.version;
      next = page.next;
    } while (next !== "");
    this.#version = version;
    this.#listedAt = now();
    this.#heardAt = this.#listedAt;
    this.#lists++;
    onChanges(this.#cache.replace(verdicts));
    this.#first.resolve();
    return { kind: "listed" };
  }

  async #page(query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Page> {
    const { body } = await this.#get("list", query, { signal, silenceMs: 60_000 });
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of chunksOf(body)) {
      parts.push(chunk);
      size += chunk.length;
      if (size > MAX_PAGE_BYTES)
        throw new Ended({ kind: "malformed", problem: `a page is longer than ${size} bytes` });
    }
    return readPage(parseJson(Buffer.concat(parts).toString("utf8")));
  }

  async #watch(version: string, signal: AbortSignal): Promise<Outcome> {
    const { random, silenceMs = 150_000 } = this.#options;
    const seconds = Math.round(WATCH_SECONDS * (1 + random()));
    const query = {
      watch: "true",
      allowWatchBookmarks: "true",
      resourceVersion: version,
      timeoutSeconds: String(seconds),
    };
    const { body } = await this.#get("watch", query, { signal, silenceMs });
    // The server has taken the watch: what was wrong is over, though perhaps no event comes for long.
    this.#heardAt = this.#options.now();
    this.#tell(undefined);
    const cutter = new LineCutter(MAX_LINE_BYTES);
    let events = false;
    try {
      for await (const chunk of chunksOf(body)) {
        const lines = cutter.cut(chunk);
        if (lines.length === 0) continue;
        events = true;
        this.#takeLines(lines);
      }
    } catch (cause) {
      if (isSilence(cause) && !cutter.unfinished) return { kind: "silent" };
      throw cause;
    }
    if (cutter.unfinished) return { kind: "broken", problem: "the watch was cut within an event" };
    return { kind: "closed", events };
  }

  #takeLines(lines: readonly string[]): void {
    this.#heardAt = this.#options.now();
    const changes: Change[] = [];
    const { revision } = this.#cache;
    try {
      for (const line of lines) changes.push(...this.#takeEvent(parseJson(line)));
    } finally {
      // Also what came before a broken event counts. Most events change nothing that is read.
      if (changes.length > 0 || this.#cache.revision !== revision) this.#options.onChanges(changes);
    }
  }

  #takeEvent(event: unknown): readonly Change[] {
    const { type, object } = record(event);
    if (type === "ERROR") throw new Ended(errorOutcome(object));
    const { resourceVersion } = record(record(object).metadata);
    if (typeof resourceVersion !== "string" || resourceVersion === "")
      throw new Ended({ kind: "malformed", problem: "an event without metadata.resourceVersion" });
    const changes = this.#changesOf(type, object);
    this.#version = resourceVersion;
    this.#heard = true;
    return changes;
  }

  #changesOf(type: unknown, object: unknown): readonly Change[] {
    if (type === "BOOKMARK") return [];
    const verdicts = decodeItem(object, this.#options.resource);
    if (type === "ADDED" || type === "MODIFIED")
      return verdicts.flatMap((verdict) => this.#cache.take(verdict));
    if (type === "DELETED")
      return verdicts.flatMap((verdict) => this.#cache.remove(refOf(verdict)));
    throw new Ended({ kind: "malformed", problem: `an event of unknown type ${String(type)}` });
  }

  /** Sends the request and checks the status. `silenceMs` bounds the pause between two pieces of the answer. */
  async #get(
    act: Next["act"],
    query: Readonly<Record<string, string>>,
    { signal, silenceMs }: { readonly signal: AbortSignal; readonly silenceMs: number },
  ): Promise<Dispatcher.ResponseData> {
    const { resource, access } = this.#options;
    const { base, dispatcher, headers } = await access();
    const { path, onlyName } = resource;
    const selector = onlyName === undefined ? {} : { fieldSelector: `metadata.name=${onlyName}` };
    const words = new URLSearchParams({ ...query, ...selector });
    const response = await request(`${base}${path}?${words}`, {
      dispatcher,
      headers: {
        ...headers,
        accept: acceptOf(resource, act),
        "user-agent": "nodemesh-control",
      },
      signal,
      bodyTimeout: silenceMs,
    });
    if (response.statusCode === 200) return response;
    const text = await response.body.text();
    throw new Ended(statusOutcome(response.statusCode, text, response.headers, resource));
  }
}

interface Page {
  readonly items: readonly unknown[];
  readonly version: string;
  readonly next: string;
}

function readPage(value: unknown): Page {
  const { items, metadata } = record(value);
  const { resourceVersion, continue: next } = record(metadata);
  if (typeof resourceVersion !== "string")
    throw new Ended({ kind: "malformed", problem: "a list without metadata.resourceVersion" });
  // An empty list of some servers is null.
  if (!Array.isArray(items ?? []))
    throw new Ended({ kind: "malformed", problem: "a list whose items are not a list" });
  return {
    items: Array.isArray(items) ? items : [],
    version: resourceVersion,
    next: typeof next === "string" ? next : "",
  };
}

function refOf(verdict: Decoded): Parameters<ObjectCache["remove"]>[0] {
  if (verdict.kind !== "object") return verdict.ref;
  const { kind, metadata } = verdict.object;
  return { kind, namespace: metadata.namespace, name: metadata.name };
}

/** undici's bodyTimeout. */
function isSilence(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === "UND_ERR_BODY_TIMEOUT";
}

function statusOutcome(
  status: number,
  text: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  resource: Resource,
): Outcome {
  if (status === 410) return { kind: "gone" };
  if (status === 404 && resource.optional) return { kind: "unknown-kind" };
  const seconds = Number(headers["retry-after"]);
  const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
  return { kind: "refused", status, message: statusMessage(text), retryAfterMs };
}

/** An ERROR event carries a Status object. */
function errorOutcome(object: unknown): Outcome {
  const { code, message, reason } = record(object);
  if (code === 410 || reason === "Expired" || reason === "Gone") return { kind: "gone" };
  const text = typeof message === "string" ? message : "an error event without a message";
  return {
    kind: "refused",
    status: typeof code === "number" ? code : 500,
    message: text,
    retryAfterMs: undefined,
  };
}

const LONGEST_MESSAGE = 300;

function statusMessage(text: string): string {
  let message: unknown = text;
  try {
    message = record(JSON.parse(text)).message ?? text;
  } catch {
    // Not JSON: a proxy in between, perhaps.
  }
  return String(message).slice(0, LONGEST_MESSAGE);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Ended({ kind: "malformed", problem: "the API server's answer is not JSON" });
  }
}

/** undici types its bodies as streams of anything; they are bytes. */
function chunksOf(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  return body;
}

/** What went wrong in the end: undici wraps the cause. */
function problemOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause instanceof AggregateError && cause.errors.length > 0) return problemOf(cause.errors[0]);
  return cause.cause instanceof Error ? problemOf(cause.cause) : cause.message;
}

/** What of the API's envelopes is read: anything may be missing or of another type. */
interface Loose {
  readonly items?: unknown;
  readonly metadata?: unknown;
  readonly resourceVersion?: unknown;
  readonly continue?: unknown;
  readonly type?: unknown;
  readonly object?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly reason?: unknown;
}

function record(value: unknown): Loose {
  return typeof value === "object" && value !== null ? value : {};
}
