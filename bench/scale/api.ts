/** A small client of the API server: JSON in, JSON out, many requests at once. */
import { Pool } from "undici";
import { interruption } from "../harness/process.ts";

/** Connections to the API server; also how many objects are made at once. */
const CONNECTIONS = 32;

/** How to reach an API server. */
export interface ApiAddress {
  readonly server: string;
  /** PEM of who signed its certificate. */
  readonly ca: string;
  /** A bearer token that may do everything. */
  readonly token: string;
}

/** One request; `type` only for patches. */
export interface ApiRequest {
  readonly method: "GET" | "POST" | "PATCH" | "PUT";
  readonly path: string;
  readonly body?: unknown;
  readonly type?: string;
}

/** An API server to talk to. Dispose to close its connections. */
export class Api implements AsyncDisposable {
  readonly #pool: Pool;
  readonly #token: string;

  constructor({ server, ca, token }: ApiAddress) {
    this.#pool = new Pool(server, { connections: CONNECTIONS, connect: { ca } });
    this.#token = token;
  }

  /** The parsed answer. Rejects with the server's words when it is not a success. */
  async call(request: ApiRequest): Promise<unknown> {
    return JSON.parse(await this.text(request));
  }

  /** The same, unparsed. */
  async text({ method, path, body, type = "application/json" }: ApiRequest): Promise<string> {
    const answer = await this.#pool.request({
      method,
      path,
      headers: { authorization: `Bearer ${this.#token}`, "content-type": type },
      signal: interruption.signal,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300)
      throw new Error(`${method} ${path}: ${answer.statusCode} ${text.slice(0, 500)}`);
    return text;
  }

  /** POSTs all, CONNECTIONS at once; `path` gives where each belongs. */
  async createAll<T extends object>(
    objects: Iterable<T>,
    path: (object: T) => string,
  ): Promise<void> {
    await inParallel(objects, CONNECTIONS, (body) =>
      this.call({ method: "POST", path: path(body), body }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
  }
}

/** Does `work` for each item, `width` at once; rejects with the first failure. Results in the items' order. */
export async function inParallel<T, R>(
  items: Iterable<T>,
  width: number,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const queue = [...items].entries();
  const results: R[] = [];
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}
