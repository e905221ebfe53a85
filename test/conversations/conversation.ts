/**
 * Whole conversations between random clients and random servers, carried by the real data worker: what they are
 * (here), how they are made (generate.ts), what may come of them (expect.ts, owners.ts), and how they are held
 * (stage.ts, client.ts, server.ts, hold.ts). May import the agent and test/support; no product code imports it.
 *
 * A conversation is a plain value: it can be printed, pasted into regressions.ts, made smaller and held again.
 * Times are milliseconds, lengths are bytes.
 */

/** Where the clients want to go. `inbound`: clients outside the mesh dial an enrolled pod. */
export type Destination = "service" | "pod" | "stranger" | "inbound";

/** What is declared of the port; `tcp` is carried as bytes. */
export type Declared = "http" | "detect" | "tcp";

/** How a connection ends in one direction. */
export type Ending = "fin" | "reset";

/** A server. A fixed destination has exactly one. */
export interface Endpoint {
  /** `one`: the second connection is not read before the first has ended; `none`: nobody listens. */
  readonly takes: "all" | "one" | "none";
  /** Its backlog is full for so long: who connects meanwhile hears nothing, and the kernel asks again after a second. */
  readonly full?: number;
}

/** What follows a message's head. */
export type Body =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | {
      readonly kind: "chunked";
      readonly bytes: number;
      readonly chunk: number;
      readonly trailer?: true;
    }
  /** Answers only: until the connection ends. */
  | { readonly kind: "close"; readonly bytes: number };

/** Bytes both ways, until `end`: the whole of a connection that is no HTTP, or what follows an answer's head. */
export interface Stream {
  readonly up: number;
  readonly down: number;
  /** Who ends it and how, once it has got all bytes of the other side; the other side answers an end with its own. */
  readonly end: "client-fin" | "server-fin" | "client-reset" | "server-reset";
}

/** What a server does with one request. */
export interface Answer {
  /** `head`: as soon as the request's head is there, and the body is read meanwhile; `whole`: after all of it. */
  readonly when: "head" | "whole";
  readonly delay: number;
  /** Interim answers before. */
  readonly interim: readonly (100 | 103)[];
  readonly status: number;
  readonly body: Body;
  /** Bytes of one write, 0 = all at once, and the pause between two. */
  readonly piece: number;
  readonly gap: number;
  /**
   * `keep`; `close`: says `Connection: close` and ends; `fin`: ends without a word; `late`: ends so some
   * milliseconds later. A server that ends goes on reading until its client ends too.
   */
  readonly after: "keep" | "close" | "fin" | "late";
  /** The server ends, instead of all that follows, after so many bytes of the final answer. */
  readonly cut?: { readonly at: number; readonly how: Ending };
  /** Only the first time that the request is seen; afterwards it is answered whole. */
  readonly flaky?: true;
  /** Never answers; when its client ends, it ends. */
  readonly hang?: true;
  /** Bytes that nobody asked for, behind the answer and in the same write. */
  readonly surplus?: number;
  /** Challenges for connection-bound authentication. */
  readonly challenge?: true;
  /** Claims to be an agent that could not reach its application. */
  readonly claim?: true;
  /** Instead of a body: bytes both ways. Status 101 for upgrades; the only 2xx that CONNECT is answered with. */
  readonly stream?: Stream;
}

/** One request, and what the servers do with it. */
export interface Request {
  readonly method: "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" | "DELETE" | "CONNECT";
  readonly body: Body;
  readonly version: "1.0" | "1.1";
  /** Says `Connection: close`. */
  readonly close?: true;
  /** Sends the body after `100 Continue`, an answer, or 100 ms. */
  readonly expect?: true;
  /** Carries a credential of connection-bound authentication. */
  readonly login?: true;
  readonly answer: Answer;
}

/** How a client leaves. */
export type Leave =
  /** Ends when everything was answered. */
  | { readonly kind: "done" }
  /** Resets when everything was answered. */
  | { readonly kind: "done-reset" }
  /** When everything was answered: waits for the server's end. Fixed destinations whose server ends. */
  | { readonly kind: "wait" }
  /** Ends its direction right behind the last byte of the last request. */
  | { readonly kind: "half" }
  /** Ends its direction, or resets, after so many bytes of all its requests, `after` ms later. */
  | { readonly kind: "at"; readonly bytes: number; readonly how: Ending; readonly after: number };

/** One connection of a client. */
export interface Client {
  /** Begins after so many milliseconds. */
  readonly start: number;
  /** Index of a client before it that must have ended first. */
  readonly follows?: number;
  readonly requests: readonly Request[];
  /** Sends all requests without waiting for answers. */
  readonly pipelined?: true;
  /** Bytes of one write, 0 = a request at once, and the pause between two. */
  readonly piece: number;
  readonly gap: number;
  /** Reads nothing for so long, at first or once `deafFrom` bytes were read. */
  readonly deaf?: number;
  readonly deafFrom?: number;
  readonly leave: Leave;
  /** Instead of requests: bytes that are no HTTP; the only client of its conversation. */
  readonly stream?: Stream & { readonly first: "client" | "server" };
}

/** What happens besides. */
export interface Happening {
  readonly at: number;
  /**
   * `unenrol`: the enrolled pod leaves the mesh. `leave`, `come`: control takes an endpoint away or brings it back.
   * `die`: the endpoint resets all connections and listens no more.
   */
  readonly kind: "unenrol" | "leave" | "come" | "die";
  readonly endpoint: number;
}

/** All of it. */
export interface Conversation {
  readonly destination: Destination;
  /** Of services: each connection serves one client only (mesh/connections=own). */
  readonly own?: true;
  readonly declared: Declared;
  readonly endpoints: readonly Endpoint[];
  readonly clients: readonly Client[];
  readonly happenings: readonly Happening[];
}

/** Whether the worker reads requests, instead of carrying bytes. */
export function isRead({ destination, declared }: Conversation): boolean {
  return destination !== "stranger" && declared !== "tcp";
}

/** RFC 9110 section 9.2.1, and no content: what may ride on another client's connection. */
export function isSafe({ method, body }: Request): boolean {
  return /^(?:GET|HEAD|OPTIONS)$/.test(method) && (body.kind === "none" || body.bytes === 0);
}

/** RFC 9110 section 9.2.2. */
export function isIdempotent({ method }: Request): boolean {
  return method !== "POST" && method !== "CONNECT";
}
