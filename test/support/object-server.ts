/**
 * An HTTP server with the API server's manners about names and versions, which breaks at will: for faults that
 * a real one can't be asked for at the right moment. test/cluster has the same parts over a real API server.
 */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { KubeConfig } from "@kubernetes/client-node";

/** An object as it is kept: any fields, and metadata. */
export interface StoredObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion: string;
  };
  readonly [field: string]: unknown;
}

/** What a server does with a request: answers, says 503, or never says anything. */
export type Fault = "none" | "away" | "hangs";

/** One request, as noted. */
export interface NotedRequest {
  readonly method: string;
  readonly path: string;
}

/** Objects by path, for example `/api/v1/namespaces/nodemesh/secrets/nodemesh-ca`. */
export class ObjectStore {
  readonly objects: Map<string, StoredObject> = new Map();
  readonly requests: NotedRequest[] = [];
  /** Called before a request is answered, to change something under its feet. */
  before: (request: NotedRequest) => void = () => {};
  #version = 0;

  /** Answers one request: status and body. */
  answer(request: NotedRequest, body: string): readonly [number, unknown] {
    this.requests.push(request);
    this.before(request);
    const { method, path } = request;
    const there = this.objects.get(path);
    if (method === "POST") return this.#create(path, body);
    if (method === "GET") return there === undefined ? this.#list(path) : [200, there];
    const target = path.replace(/\/status$/, "");
    const old = this.objects.get(target);
    if (old === undefined) return failure(404, `${target} not found`);
    if (method === "PATCH") return [200, this.#keep(target, patched(old, body))];
    const wanted = JSON.parse(body) as StoredObject;
    if (wanted.metadata.resourceVersion !== old.metadata.resourceVersion)
      return failure(409, "the object has been modified");
    return [200, this.#keep(target, wanted)];
  }

  /** Puts an object there, as somebody else would. */
  put(path: string, object: object): StoredObject {
    const name = path.slice(path.lastIndexOf("/") + 1);
    return this.#keep(path, { ...object, metadata: { name, resourceVersion: "" } });
  }

  #create(path: string, body: string): readonly [number, unknown] {
    const wanted = JSON.parse(body) as StoredObject;
    const target = `${path}/${wanted.metadata.name}`;
    if (this.objects.has(target)) return failure(409, `${target} already exists`);
    return [201, this.#keep(target, wanted)];
  }

  /** A cluster-wide list of a namespaced kind; an object that is absent lists nothing and is a 404. */
  #list(path: string): readonly [number, unknown] {
    const plural = path.slice(path.lastIndexOf("/") + 1);
    const items = [...this.objects].filter(([key]) => key.split("/").at(-2) === plural);
    const cluster = !path.includes("/namespaces/");
    if (!cluster) return failure(404, `${path} not found`);
    return [200, { kind: "List", metadata: {}, items: items.map(([, object]) => object) }];
  }

  #keep(path: string, object: StoredObject): StoredObject {
    const metadata = { ...object.metadata, resourceVersion: String(++this.#version) };
    const kept = { ...object, metadata };
    this.objects.set(path, kept);
    return kept;
  }
}

function failure(code: number, message: string): readonly [number, unknown] {
  return [code, { kind: "Status", code, message }];
}

/** JSON patches of top-level fields, as control sends them. */
function patched(object: StoredObject, body: string): StoredObject {
  const steps = JSON.parse(body) as readonly { path: string; value: unknown }[];
  return Object.assign({}, object, ...steps.map(({ path, value }) => ({ [path.slice(1)]: value })));
}

/** A running server in front of a store; several may share one. */
export interface ObjectServer extends AsyncDisposable {
  /** How client-node reaches it. */
  readonly config: KubeConfig;
  fault: Fault;
}

/** Starts a server on a port of its own. */
export async function serveObjects(store: ObjectStore): Promise<ObjectServer> {
  const http = createServer((request, response) => {
    void textOf(request).then((body) => {
      if (server.fault === "hangs") return;
      const path = new URL(request.url ?? "/", "http://server").pathname;
      const asked = { method: request.method ?? "", path };
      const [code, answer] =
        server.fault === "away" ? failure(503, "no quorum") : store.answer(asked, body);
      response.writeHead(code, { "content-type": "application/json" });
      response.end(JSON.stringify(answer));
    });
  });
  const listening = Promise.withResolvers<void>();
  http.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  // A TCP server's address is never a text.
  const { port } = http.address() as AddressInfo;
  const config = new KubeConfig();
  // client-node speaks cleartext only when it is told to skip TLS's checks too.
  const cluster = { name: "c", server: `http://127.0.0.1:${port}`, skipTLSVerify: true };
  config.loadFromClusterAndUser(cluster, { name: "u" });
  const server: ObjectServer = {
    config,
    fault: "none",
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      http.close(() => closed.resolve());
      http.closeAllConnections();
      await closed.promise;
    },
  };
  return server;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}
