/**
 * Single calls to the Kubernetes API (no watches): each has a deadline, can be cancelled, and fails with one
 * of a closed list of causes. Callers decide by the cause, never by a text.
 */

import { STATUS_CODES } from "node:http";
import {
  ApiException,
  type ConfigurationOptions,
  Observable,
  type RequestContext,
} from "@kubernetes/client-node";
import type { ApiEndpoint } from "./k8s/endpoint.ts";

/** A call is given up after this many milliseconds; the API server itself answers such calls in a few. */
const CALL_TIMEOUT_MS = 5000;

/** Why a call failed. */
export type CallFailure =
  /** 404: the object, or what it belongs to, is not there. */
  | "absent"
  /** 409: somebody else made or changed it first. */
  | "conflict"
  /** 401, 403: control may not do that; its roles are wrong. */
  | "denied"
  /** 400, 405, 410, 413, 415, 422: what was asked is wrong, trying it again won't help. */
  | "invalid"
  /** No answer, or one that says to come again: 429, 5xx, time-outs, broken connections. */
  | "away"
  /** The caller's signal ended it. */
  | "cancelled";

/** A failed call: the cause and a text for the log. */
export interface CallError {
  readonly failure: CallFailure;
  readonly problem: string;
}

/** Sorts whatever an API call threw. `signal` is the one the call was made with. */
export function callError(cause: unknown, signal?: AbortSignal): CallError {
  if (cause instanceof ApiException)
    return { failure: failureOf(cause.code), problem: textOf(cause) };
  if (signal?.aborted === true) return { failure: "cancelled", problem: "cancelled" };
  return { failure: "away", problem: rootOf(cause) };
}

function failureOf(code: number): CallFailure {
  if (code === 404) return "absent";
  if (code === 409) return "conflict";
  if (code === 401 || code === 403) return "denied";
  if (code === 429 || code >= 500) return "away";
  return "invalid";
}

/** The code and a Status object's message; the body is an object, its JSON text, or no JSON at all. */
function textOf({ code, body }: ApiException<unknown>): string {
  const status = typeof body === "string" ? parsed(body) : body;
  const message =
    typeof status === "object" && status !== null && "message" in status ? status.message : status;
  return `${code}: ${String(message ?? STATUS_CODES[code]).slice(0, 500)}`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** fetch says "fetch failed" and hides what happened in its cause. */
function rootOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause instanceof Error ? rootOf(cause.cause) : cause.message;
}

/** Makes the options of single calls; one for all calls of a process. */
export class ApiCalls {
  readonly #endpoint: Pick<ApiEndpoint, "access">;

  constructor(endpoint: Pick<ApiEndpoint, "access">) {
    this.#endpoint = endpoint;
  }

  /** Options for the next call. It ends with `signal`, and after the time-out at the latest. */
  options(signal?: AbortSignal, timeoutMs: number = CALL_TIMEOUT_MS): ConfigurationOptions {
    return {
      middlewareMergeStrategy: "append",
      middleware: [
        {
          pre: (context) => {
            const timeout = AbortSignal.timeout(timeoutMs);
            context.setSignal(signal === undefined ? timeout : AbortSignal.any([signal, timeout]));
            return new Observable(this.#connect(context));
          },
          post: (context) => new Observable(Promise.resolve(context)),
        },
      ],
    };
  }

  /** The client would make a pool of connections for every call. */
  async #connect(context: RequestContext): Promise<RequestContext> {
    const { dispatcher } = await this.#endpoint.access();
    context.setDispatcher(dispatcher);
    return context;
  }
}
