/** Single questions to the API server, for commands: an answer or a cause, never an exception for what may happen. */

import type { KubeConfig } from "@kubernetes/client-node";
import { request, WebSocket } from "undici";
import { assertUsable } from "../k8s/credentials.ts";
import { ApiEndpoint } from "../k8s/endpoint.ts";

/** An answer of the API server. */
export type ApiAnswer =
  | {
      readonly kind: "ok";
      readonly body: unknown;
      readonly headers: Readonly<Record<string, string>>;
    }
  /** It answered with an error: 403 and 404 are facts that commands explain. */
  | { readonly kind: "refused"; readonly status: number; readonly problem: string }
  /** Nothing answered. */
  | { readonly kind: "away"; readonly problem: string };

/** Asks the API server; what commands use and tests replace. Rejects when the kubeconfig can't be used. */
export interface Api {
  /** The server's address, for messages. */
  readonly server: string;
  get(path: string): Promise<ApiAnswer>;
  post(path: string, body: unknown): Promise<ApiAnswer>;
}

const TIMEOUT_MS = 10_000;

/** The API server of a kubeconfig's current context. Dispose to close its connections. */
export class ClusterApi implements Api, AsyncDisposable {
  readonly server: string;
  readonly #endpoint: ApiEndpoint;
  readonly #config: KubeConfig;
  #usable: Promise<void> | undefined;

  constructor(config: KubeConfig) {
    this.#config = config;
    this.server = config.getCurrentCluster()?.server ?? "";
    this.#endpoint = new ApiEndpoint(config);
  }

  /** GET. */
  get(path: string): Promise<ApiAnswer> {
    return this.#ask("GET", path, undefined);
  }

  /** POST of JSON. */
  post(path: string, body: unknown): Promise<ApiAnswer> {
    return this.#ask("POST", path, JSON.stringify(body));
  }

  /** A WebSocket to the path, which may yet fail to come about. Its listeners must be added at once. */
  async open(path: string, protocols: readonly string[]): Promise<WebSocket> {
    this.#usable ??= assertUsable(this.#config);
    await this.#usable;
    const { base, dispatcher, headers } = await this.#endpoint.access();
    const url = `${base.replace(/^http/, "ws")}${path}`;
    return new WebSocket(url, { protocols: [...protocols], dispatcher, headers });
  }

  /** Closes the connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#endpoint[Symbol.asyncDispose]();
  }

  async #ask(method: "GET" | "POST", path: string, body: string | undefined): Promise<ApiAnswer> {
    // What the kubeconfig lacks is no fault of the server's, and the same for every question.
    this.#usable ??= assertUsable(this.#config);
    await this.#usable;
    const { base, dispatcher, headers } = await this.#endpoint.access();
    try {
      const answer = await request(`${base}${path}`, {
        method,
        dispatcher,
        headers: { ...headers, accept: "application/json", "content-type": "application/json" },
        body: body ?? null,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await answer.body.text();
      if (answer.statusCode >= 300)
        return { kind: "refused", status: answer.statusCode, problem: messageOf(text) };
      const pairs = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
      return { kind: "ok", body: parsed(text), headers: Object.fromEntries(pairs) };
    } catch (cause) {
      return { kind: "away", problem: cause instanceof Error ? cause.message : String(cause) };
    }
  }
}

/** What an answer that is no success says, with the next step; for commands that can't go on without it. */
export function failureText(
  what: string,
  api: Api,
  answer: Exclude<ApiAnswer, { kind: "ok" }>,
): string {
  if (answer.kind === "away")
    return `the API server ${api.server} does not answer (${answer.problem}); check the address with kubectl cluster-info`;
  if (answer.status === 401)
    return `${what}: the API server ${api.server} does not know this user (401); renew the kubeconfig's credentials`;
  if (answer.status === 403)
    return `${what}: ${answer.problem}; ask for that permission, or use another --context`;
  return `${what}: the API server answered ${answer.status}: ${answer.problem}`;
}

/** The items of a list. Throws an Error for the operator when it can't be read. */
export async function listItems(api: Api, path: string): Promise<readonly unknown[]> {
  return itemsOf(api, path, await api.get(path));
}

/** The items of a list, or undefined where the user may not list. Throws an Error for the operator otherwise. */
export async function listItemsIfAllowed(
  api: Api,
  path: string,
): Promise<readonly unknown[] | undefined> {
  const answer = await api.get(path);
  return isForbidden(answer) ? undefined : itemsOf(api, path, answer);
}

/** Whether the API server knows the user, and does not allow this. */
export function isForbidden(answer: ApiAnswer): boolean {
  return answer.kind === "refused" && answer.status === 403;
}

function itemsOf(api: Api, path: string, answer: ApiAnswer): readonly unknown[] {
  if (answer.kind !== "ok") throw new Error(failureText(`GET ${path}`, api, answer));
  const items = field(answer.body, "items");
  if (!Array.isArray(items))
    throw new Error(`GET ${path}: the answer has no items; is ${api.server} an API server?`);
  return items;
}

/** A value inside JSON of which nothing is known. */
export function field(value: unknown, ...path: readonly string[]): unknown {
  let at = value;
  for (const name of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = Object.hasOwn(at, name) ? Reflect.get(at, name) : undefined;
  }
  return at;
}

/** A text inside JSON; empty when there is none. */
export function textField(value: unknown, ...path: readonly string[]): string {
  const found = field(value, ...path);
  return typeof found === "string" ? found : "";
}

/** A number inside JSON; 0 when there is none. */
export function countField(value: unknown, ...path: readonly string[]): number {
  const found = field(value, ...path);
  return typeof found === "number" ? found : 0;
}

/** A list inside JSON; empty when there is none. */
export function listField(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = field(value, ...path);
  return Array.isArray(found) ? found : [];
}

function messageOf(text: string): string {
  return textField(parsed(text), "message") || text.trim().slice(0, 300);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
