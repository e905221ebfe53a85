import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { connect } from "node:tls";
import { type Authority, makeAuthority, readAuthority } from "./authority.ts";
import { startServing } from "./serving.ts";

const NAME = "nodemesh-control.nodemesh.svc";
const RENEW_AFTER_MS = 16 * 3_600_000;

/** Whether a server's certificate is one of this authority's. */
async function isSignedBy(port: number, { certificate }: Authority): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({
    port,
    host: "127.0.0.1",
    servername: NAME,
    ca: certificate,
    ALPNProtocols: ["h2"],
  });
  socket.once("secureConnect", () => resolve(true));
  socket.once("error", () => resolve(false));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

test("a replaced authority signs the next certificate, also when it could not be read in time", async () => {
  // Renewed by now: agents here know the real time.
  let now = Date.now() - RENEW_AFTER_MS;
  const [first, second] = [1, 2].map(() => readAuthority(makeAuthority(now), now));
  assert.ok(first !== undefined && second !== undefined);
  const answer = Promise.withResolvers<Authority>();
  const askedAgain = Promise.withResolvers<void>();
  let questions = 0;
  const renewed = Promise.withResolvers<number>();
  using serving = startServing({
    authority: first,
    newest: async (inUse) => {
      assert.equal(inUse, first);
      if (++questions === 1) throw new Error("the API server is away");
      askedAgain.resolve();
      return answer.promise;
    },
    dnsNames: [NAME],
    now: () => now,
    lookMs: 1,
    onRenewed: renewed.resolve,
  });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => {
    serving.server.close();
  });
  const listening = Promise.withResolvers<void>();
  serving.server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const { port } = serving.server.address() as AddressInfo;
  assert.ok(await isSignedBy(port, first));
  assert.equal(questions, 0, "not before its time");
  now += RENEW_AFTER_MS;
  await askedAgain.promise;
  assert.ok(await isSignedBy(port, first), "the one at hand signs meanwhile");
  answer.resolve(second);
  assert.equal(await renewed.promise, now + RENEW_AFTER_MS);
  assert.ok(await isSignedBy(port, second));
  assert.equal(serving.authority, second);
  assert.equal(questions, 2);
});
