/**
 * A server that plays the API server's lists and watches of a few collections, so that tests can break them at
 * the right moment. test/cluster holds the same source to a real API server.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";
import { until } from "../support/until.ts";

/** An object of the API, as it is. */
export interface RawObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

/** One list or watch that was asked for. */
export interface Asked {
  readonly act: "list" | "watch";
  readonly path: string;
  readonly query: URLSearchParams;
  readonly accept: string;
  readonly at: number;
}

/** Plays one answer instead of the server. */
export type Trick = (response: ServerResponse, asked: Asked) => void;

/** The playing server. Dispose to stop. */
export class PlayedApi implements AsyncDisposable {
  readonly asked: Asked[] = [];
  /** Objects by collection path; a path that is not here is a 404. */
  readonly #collections = new Map<string, Map<string, RawObject>>();
  readonly #tricks: { readonly act: Asked["act"]; readonly trick: Trick }[] = [];
  readonly #watches = new Map<ServerResponse, string>();
  #version = 100;
  #server: Server | undefined;
  #port = 0;

  /** Starts to listen; the second time on the same port. */
  async listen(): Promise<void> {
    const server = createServer((request, response) => this.#answer(request, response));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(this.#port, "127.0.0.1", resolve);
    await promise;
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Breaks all connections and listens no more. */
  async away(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const { promise, resolve } = Promise.withResolvers<void>();
    server.close(() => resolve());
    server.closeAllConnections();
    this.#watches.clear();
    await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.away();
  }

  /** How to reach it. */
  get config(): KubeConfig {
    const config = new KubeConfig();
    const server = `http://127.0.0.1:${this.#port}`;
    config.loadFromClusterAndUser(
      { name: "played", server, skipTLSVerify: true },
      { name: "tester", token: "word" },
    );
    return config;
  }

  /** Serves a collection from now on. */
  serve(path: string, ...objects: readonly RawObject[]): void {
    this.#collections.set(path, new Map());
    for (const object of objects) this.change(path, "ADDED", object);
  }

  /** Changes a collection and tells the watches. */
  change(path: string, type: "ADDED" | "MODIFIED" | "DELETED", object: RawObject): void {
    const stored = this.store(path, type, object);
    this.tell(path, { type, object: stored });
  }

  /** Changes a collection and tells nobody: what a watch that was cut misses. */
  store(path: string, type: "ADDED" | "MODIFIED" | "DELETED", object: RawObject): RawObject {
    const metadata = { ...object.metadata, resourceVersion: String(++this.#version) };
    const stored = { ...object, metadata };
    if (type === "DELETED") this.#collections.get(path)?.delete(object.metadata.name);
    else this.#collections.get(path)?.set(object.metadata.name, stored);
    return stored;
  }

  /** Sends an event to all watches of a collection. */
  tell(path: string, event: object): void {
    for (const response of this.#of(path)) response.write(`${JSON.stringify(event)}\n`);
  }

  /** Sends a bookmark with a version that nothing else has; gives it back. */
  bookmark(path: string): string {
    const resourceVersion = String(++this.#version);
    this.tell(path, { type: "BOOKMARK", object: { metadata: { resourceVersion } } });
    return resourceVersion;
  }

  /** Sends bytes to the watches and breaks their connections, or ends them in an orderly way. */
  end(path: string, how: "cut" | "orderly", bytes = ""): void {
    for (const response of this.#of(path)) {
      if (how === "orderly") response.end();
      else response.write(bytes, () => response.destroy());
    }
  }

  /** The next request of this sort is answered by a trick. */
  trick(act: Asked["act"], trick: Trick): void {
    this.#tricks.push({ act, trick });
  }

  /** Waits for a watch of the collection to stand. */
  async watched(path: string): Promise<void> {
    await until(`a watch of ${path}`, () => this.#of(path).length > 0, 10_000);
  }

  /** What was asked of one sort. */
  all(act: Asked["act"]): readonly Asked[] {
    return this.asked.filter((asked) => asked.act === act);
  }

  #of(path: string): readonly ServerResponse[] {
    return [...this.#watches].flatMap(([response, of]) => (of === path ? [response] : []));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname: path, searchParams: query } = new URL(request.url ?? "/", "http://api");
    const act = query.get("watch") === "true" ? "watch" : "list";
    const accept = request.headers.accept ?? "";
    const asked: Asked = { act, path, query, accept, at: performance.now() };
    this.asked.push(asked);
    const at = this.#tricks.findIndex((one) => one.act === act);
    const [trick] = at < 0 ? [] : this.#tricks.splice(at, 1);
    const objects = this.#collections.get(path);
    if (trick !== undefined) trick.trick(response, asked);
    else if (objects === undefined) refuse(response, 404, "the server could not find it");
    else if (act === "list") this.#list(response, query, [...objects.values()]);
    else this.#watch(response, path, { from: Number(query.get("resourceVersion")), objects });
  }

  #list(response: ServerResponse, query: URLSearchParams, all: readonly RawObject[]): void {
    const from = Number(query.get("continue") ?? 0);
    const to = from + Number(query.get("limit"));
    const more = to < all.length ? { continue: String(to) } : {};
    const metadata = { resourceVersion: String(this.#version), ...more };
    response.end(JSON.stringify({ kind: "SomeList", metadata, items: all.slice(from, to) }));
  }

  /** Starts with what changed since the version, as the API server does (deletions are not kept here). */
  #watch(
    response: ServerResponse,
    path: string,
    { from, objects }: { from: number; objects: ReadonlyMap<string, RawObject> },
  ): void {
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    this.#watches.set(response, path);
    response.on("close", () => this.#watches.delete(response));
    for (const object of objects.values())
      if (Number(object.metadata["resourceVersion"]) > from)
        response.write(`${JSON.stringify({ type: "MODIFIED", object })}\n`);
  }
}

/** Answers with a Status object. */
export function refuse(
  response: ServerResponse,
  code: number,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(code, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ kind: "Status", code, message }));
}
