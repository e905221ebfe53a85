/** The API server as the tool itself uses it, from the machine's main network namespace. */

import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { API_PORT, outsideLink } from "./plan.ts";
import type { ClusterPaths, ClusterSpec } from "./spec.ts";

const TIMEOUT_MS = 10_000;

/** An answer: any status, the body as text. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A client with the administrator's certificate. Dispose of it at the end. */
export class Api implements Disposable {
  readonly #agent: Agent;
  readonly #host: string;

  constructor({ pki }: ClusterPaths, spec: ClusterSpec) {
    const pem = (name: string) => readFileSync(join(pki, name));
    this.#host = outsideLink(spec.slot).cluster;
    this.#agent = new Agent({
      keepAlive: true,
      ca: pem("ca.crt"),
      cert: pem("admin.crt"),
      key: pem("leaf.key"),
    });
  }

  /** Sends one request; rejects when there is no answer. */
  send(method: string, path: string, body?: unknown, type?: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const sent = request(
        {
          agent: this.#agent,
          host: this.#host,
          port: API_PORT,
          method,
          path,
          timeout: TIMEOUT_MS,
          headers: text === undefined ? {} : { "content-type": type ?? "application/json" },
        },
        (response) => {
          let answer = "";
          response.setEncoding("utf8");
          response.on("data", (piece: string) => {
            answer += piece;
          });
          response.on("end", () => resolve({ status: response.statusCode ?? 0, body: answer }));
          response.on("error", reject);
        },
      );
      sent.on("timeout", () => sent.destroy(new Error(`${method} ${path}: no answer`)));
      sent.on("error", reject);
      sent.end(text);
    });
  }

  /** Whether a path answers 200 right now. */
  async answers(path: string): Promise<boolean> {
    try {
      return (await this.send("GET", path)).status === 200;
    } catch {
      return false;
    }
  }

  /** Makes an object; one that is there already is fine. */
  async create(path: string, body: unknown): Promise<void> {
    const { status, body: answer } = await this.send("POST", path, body);
    if (status !== 201 && status !== 409) throw new Error(`POST ${path}: ${status} ${answer}`);
  }

  /** Closes the connections. */
  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
