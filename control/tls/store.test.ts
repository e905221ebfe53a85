/** Races and outages around the authority's objects; test/cluster has the same over a real API server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CoreV1Api } from "@kubernetes/client-node";
import {
  type ObjectServer,
  ObjectStore,
  type StoredObject,
  serveObjects,
} from "../../test/support/object-server.ts";
import { ApiCalls } from "../api-call.ts";
import { ApiEndpoint } from "../k8s/endpoint.ts";
import { type Authority, AuthorityError, makeAuthority } from "./authority.ts";
import { keepAuthority, openAuthority } from "./keep.ts";
import { OldRoots } from "./roots.ts";
import { AuthorityStore, StoreError } from "./store.ts";

const SECRET = "/api/v1/namespaces/nodemesh/secrets/nodemesh-ca";
const DAY_MS = 24 * 3_600_000;
const ROOT = "/api/v1/namespaces/nodemesh/configmaps/nodemesh-root";

function storeOf(server: ObjectServer): AuthorityStore {
  return new AuthorityStore({
    api: server.config.makeApiClient(CoreV1Api),
    calls: new ApiCalls(new ApiEndpoint(server.config)),
    namespace: "nodemesh",
    now: Date.now,
  });
}

/** A leader that has just begun. */
function newTerm(): OldRoots {
  return new OldRoots(() => 0);
}

function signal(): AbortSignal {
  return AbortSignal.timeout(5000);
}

/** What agents are told to trust. */
function roots(store: ObjectStore): unknown {
  const data = store.objects.get(ROOT)?.["data"];
  return typeof data === "object" && data !== null && "ca.crt" in data ? data["ca.crt"] : undefined;
}

/** A Secret as the API server shows it, with its texts in base64. */
function secretOf(texts: ReturnType<typeof makeAuthority>): object {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  return {
    data: { "tls.crt": base64(texts.certificate), "tls.key": base64(texts.privateKey) },
  };
}

/** The API server turns stringData into data; this one does so when asked. */
function encodeSecrets(store: ObjectStore): void {
  store.before = () => {
    const made = store.objects.get(SECRET);
    const texts = made?.["stringData"] as Readonly<Record<string, string>> | undefined;
    if (texts === undefined) return;
    const [certificate = "", privateKey = ""] = [texts["tls.crt"], texts["tls.key"]];
    store.put(SECRET, secretOf({ certificate, privateKey }));
  };
}

test("replicas that start together take the one authority that was made first", async () => {
  const objects = new ObjectStore();
  encodeSecrets(objects);
  await using server = await serveObjects(objects);
  const stores = Array.from({ length: 6 }, () => storeOf(server));
  const all = await Promise.all(stores.map((store) => store.open(signal())));
  const certificates = new Set(all.map(({ certificate }) => certificate));
  assert.equal(certificates.size, 1);
  assert.equal(roots(objects), all[0]?.certificate);
  const made = objects.requests.filter(({ method, path }) =>
    `${method} ${path}`.endsWith("secrets"),
  );
  assert.ok(made.length > 1, "more than one replica tried: else this test shows nothing");
});

test("a ConfigMap that differs or is gone is repaired, also when it changes meanwhile", async () => {
  const objects = new ObjectStore();
  encodeSecrets(objects);
  await using server = await serveObjects(objects);
  const store = storeOf(server);
  const authority = await store.open(signal());
  objects.put(ROOT, { data: { "ca.crt": "other" } });
  assert.equal(await store.repair(authority, newTerm(), signal()), "same");
  assert.equal(roots(objects), authority.certificate);
  objects.objects.delete(ROOT);
  await store.repair(authority, newTerm(), signal());
  assert.equal(roots(objects), authority.certificate);
  objects.put(ROOT, { data: { "ca.crt": "other" } });
  let meddled = 0;
  objects.before = ({ method }) => {
    if (method === "PUT" && meddled++ === 0) objects.put(ROOT, { data: { "ca.crt": "third" } });
  };
  await store.repair(authority, newTerm(), signal());
  assert.equal(roots(objects), authority.certificate);
  assert.equal(meddled, 2);
});

test("a deleted Secret is put back; a replaced one is told to agents beside the one in use", async () => {
  const objects = new ObjectStore();
  encodeSecrets(objects);
  await using server = await serveObjects(objects);
  const store = storeOf(server);
  const authority = await store.open(signal());
  objects.objects.delete(SECRET);
  assert.equal(await store.repair(authority, newTerm(), signal()), "same");
  const other = makeAuthority(Date.now());
  objects.put(SECRET, secretOf(other));
  assert.equal(await store.repair(authority, newTerm(), signal()), "replaced");
  assert.equal(roots(objects), other.certificate + authority.certificate);
});

test("replicas that start take away nothing that running ones may use; the leader does after a day", async () => {
  const objects = new ObjectStore();
  encodeSecrets(objects);
  await using server = await serveObjects(objects);
  const store = storeOf(server);
  const first = await store.open(signal());
  const other = makeAuthority(Date.now());
  objects.put(SECRET, secretOf(other));
  // Before a leader looks, and afterwards.
  await store.open(signal());
  assert.equal(roots(objects), other.certificate + first.certificate);
  let now = 0;
  const old = new OldRoots(() => now);
  assert.equal(await store.repair(first, old, signal()), "replaced");
  const second = await store.open(signal(), first);
  assert.equal(roots(objects), other.certificate + first.certificate);
  for (now of [0, DAY_MS - 1]) await store.repair(second, old, signal());
  assert.equal(roots(objects), other.certificate + first.certificate);
  now = DAY_MS;
  await store.repair(second, old, signal());
  assert.equal(roots(objects), other.certificate);
});

test("a replica that looks for the newest authority puts back the one in use when the Secret is gone", async () => {
  const objects = new ObjectStore();
  encodeSecrets(objects);
  await using server = await serveObjects(objects);
  const store = storeOf(server);
  const inUse = await store.open(signal());
  objects.objects.delete(SECRET);
  assert.equal((await store.open(signal(), inUse)).certificate, inUse.certificate);
});

test("a Secret that can't be used is named with the field and the way out, and never overwritten", async () => {
  const objects = new ObjectStore();
  await using server = await serveObjects(objects);
  const old = makeAuthority(Date.UTC(2010, 0, 1));
  const kept: StoredObject = objects.put(SECRET, secretOf(old));
  await assert.rejects(storeOf(server).open(signal()), (error: unknown) => {
    assert.ok(error instanceof AuthorityError);
    assert.match(error.message, /^Secret nodemesh\/nodemesh-ca: tls\.crt: has expired at 2019-/);
    assert.match(error.message, /kubectl -n nodemesh delete secret nodemesh-ca/);
    return true;
  });
  objects.put(SECRET, { data: {} });
  await assert.rejects(storeOf(server).open(signal()), /tls\.crt: can't be read as PEM/);
  assert.equal(kept.metadata.name, "nodemesh-ca");
  assert.deepEqual(new Set(objects.requests.map(({ method }) => method)), new Set(["GET"]));
});

test("opening waits for an API server that is away, and ends with its signal", async () => {
  const objects = new ObjectStore();
  encodeSecrets(objects);
  await using server = await serveObjects(objects);
  server.fault = "away";
  const problems: string[] = [];
  const authority: Authority = await openAuthority(storeOf(server), signal(), (problem) => {
    problems.push(problem);
    server.fault = "none";
  });
  assert.deepEqual(problems, ["Secret nodemesh/nodemesh-ca can't be read: 503: no quorum"]);
  assert.equal(roots(objects), authority.certificate);
  server.fault = "hangs";
  const stop = new AbortController();
  const opening = openAuthority(storeOf(server), stop.signal, () => {});
  setImmediate(() => stop.abort());
  await assert.rejects(opening, StoreError);
});

test("the leader's keeping repairs until its term ends, and tells a problem once", async () => {
  const objects = new ObjectStore();
  encodeSecrets(objects);
  await using server = await serveObjects(objects);
  const store = storeOf(server);
  const inUse = await store.open(signal());
  objects.objects.delete(ROOT);
  const term = new AbortController();
  const problems: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const onProblem = (problem: string): void => {
    problems.push(problem);
    resolve();
  };
  const keeping = keepAuthority({
    store,
    inUse: () => inUse,
    signal: term.signal,
    onProblem,
    everyMs: 5,
  });
  while (roots(objects) === undefined) await new Promise(setImmediate);
  server.fault = "away";
  await promise;
  const asked = objects.requests.length;
  server.fault = "none";
  while (objects.requests.length < asked + 6) await new Promise(setImmediate);
  term.abort();
  await keeping;
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? "", /503: no quorum/);
});
