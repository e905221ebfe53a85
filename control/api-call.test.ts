/** Single calls over TLS that offers HTTP/2, and connections that die without a word. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CoreV1Api } from "@kubernetes/client-node";
import { ApiFront } from "../test/support/api-front.ts";
import { ObjectStore, serveObjects } from "../test/support/object-server.ts";
import { until } from "../test/support/until.ts";
import { ApiCalls, callError } from "./api-call.ts";
import { ApiEndpoint } from "./k8s/endpoint.ts";

const SECRET = "/api/v1/namespaces/nodemesh/secrets/word";
/** Long enough for TLS on a busy machine. */
const CALL_MS = 3000;

/** An API server with one Secret, and calls to it. */
class Lab implements AsyncDisposable {
  readonly store = new ObjectStore();
  readonly #stack = new AsyncDisposableStack();

  /** Starts it; a `call` tells how one call ended. */
  async open(): Promise<{ readonly front: ApiFront; readonly call: () => Promise<string> }> {
    this.store.put(SECRET, {});
    const server = this.#stack.use(await serveObjects(this.store));
    const front = this.#stack.use(await ApiFront.open(server.config));
    const calls = new ApiCalls(this.#stack.use(new ApiEndpoint(front.config)));
    const api = front.config.makeApiClient(CoreV1Api);
    const call = async (): Promise<string> => {
      try {
        const ask = { namespace: "nodemesh", name: "word" };
        await api.readNamespacedSecret(ask, calls.options(undefined, CALL_MS));
        return "answered";
      } catch (cause) {
        return callError(cause).failure;
      }
    };
    return { front, call };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

test("a connection is closed when no call has followed for a while, so none dies unseen", async () => {
  await using lab = new Lab();
  const { front, call } = await lab.open();
  assert.deepEqual(await Promise.all([call(), call(), call()]), Array(3).fill("answered"));
  // undici by itself keeps them for four seconds.
  await until("no connection is left", () => front.connections === 0, 3000);
});

test("a call whose connection dies under it times out, and costs the next one nothing", async () => {
  await using lab = new Lab();
  const { front, call } = await lab.open();
  // Several connections, of which the call that fails takes but one along.
  await Promise.all([call(), call(), call()]);
  lab.store.before = () => front.swallow();
  assert.equal(await call(), "away");
  lab.store.before = () => {};
  assert.equal(await call(), "answered");
});
