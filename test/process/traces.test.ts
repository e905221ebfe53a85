/** A request's trace through a real worker: what its server is told, and what the worker tells of it. */

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import type { SpanRecord } from "../../agent/telemetry/span.ts";
import { until } from "../support/until.ts";
import { POD, type RigOptions, type RigService, VIP, WorkerRig } from "../support/worker-rig.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const FIELD = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/;

/** The heads that the server got, as they came. */
const heads: string[] = [];
const server = net.createServer((socket) => {
  socket.on("error", () => {});
  socket.on("data", (bytes) => {
    heads.push(String(bytes));
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
});
let at: { readonly address: string; readonly port: number };

before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  at = { address: "127.0.0.1", port: (server.address() as net.AddressInfo).port };
});

beforeEach(() => {
  heads.length = 0;
});

after(() => server.close());

function serve(options: RigOptions, service: Partial<RigService> = {}): Promise<WorkerRig> {
  return WorkerRig.start({ endpoints: [{ ...at, workload: "server" }], ...service }, options);
}

/** Asks once, with these fields; resolves with the status when the worker has counted it. */
async function ask(rig: WorkerRig, headers: http.OutgoingHttpHeaders = {}): Promise<number> {
  const before = rig.series("httpRequests", { reporter: "source" }).sum;
  const to = { host: VIP, port: rig.port, localAddress: POD, agent: false as const };
  const request = http.get({ ...to, path: "/a?b", headers });
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  response.resume();
  await once(response, "end");
  await until("it is counted", () => {
    return rig.series("httpRequests", { reporter: "source" }).sum > before;
  });
  return response.statusCode ?? 0;
}

/** The values of a field that the server got. */
function got(name: string): readonly string[] {
  return heads.flatMap((head) =>
    [...head.matchAll(new RegExp(`^${name}: (.*)\r$`, "gim"))].map(([, value = ""]) => value),
  );
}

function idsOf({ traceId, spanId, parentId }: SpanRecord): readonly unknown[] {
  return [traceId, spanId, parentId];
}

const parent = (flags: string): string => `00-${TRACE}-${PARENT}-${flags}`;

test("without a place for spans nothing is read and nothing written, whatever pods ask for", async () => {
  await using rig = await serve({ client: { trace: 1 } });
  await ask(rig);
  await ask(rig, { traceparent: parent("01") });
  assert.deepEqual(got("traceparent"), [parent("01")]);
  assert.deepEqual(rig.traced(), []);
});

test("a share of the requests begins a trace, and the server is told of the worker's span", async () => {
  await using rig = await serve({ trace: 1 });
  await ask(rig);
  const [field = ""] = got("traceparent");
  const [, traceId, spanId] = FIELD.exec(field) ?? [];
  const [span, ...more] = rig.traced();
  assert.ok(span !== undefined && more.length === 0);
  assert.deepEqual(idsOf(span), [traceId, spanId, undefined]);
  assert.deepEqual(span.of, { namespace: "default", workload: "client", pod: "client" });
  assert.deepEqual([span.kind, span.name, span.error], ["client", "GET", undefined]);
  assert.ok(Math.abs(Date.now() - span.startedAt) < 60_000 && span.durationMs > 0);
  const { attributes } = span;
  assert.equal(attributes["url.path"], "/a");
  assert.equal(attributes["http.response.status_code"], 200);
  assert.equal(attributes["http.response.body.size"], 2);
  assert.equal(attributes["nodemesh.endpoint"], `127.0.0.1:${at.port}`);
  assert.equal(attributes["nodemesh.peer.workload"], "default/server");
  assert.equal(attributes["nodemesh.tries"], 1);
  assert.equal(attributes["http.request.resend_count"], undefined);
  await using none = await serve({ trace: 0 });
  await ask(none);
  assert.deepEqual([got("traceparent").length, none.traced().length], [1, 0]);
});

test("a trace that its client began is followed, at a share of 0 too; the state crosses as it came", async () => {
  await using rig = await serve({ trace: 0 });
  await ask(rig, { traceparent: parent("01"), tracestate: "a=1, b=2;c" });
  const [field = ""] = got("traceparent");
  const [, traceId, spanId] = FIELD.exec(field) ?? [];
  assert.deepEqual(rig.traced().map(idsOf), [[TRACE, spanId, PARENT]]);
  assert.equal(traceId, TRACE);
  assert.deepEqual(got("tracestate"), ["a=1, b=2;c"]);
});

test("what is not sampled, not readable or told in another way is left as it is", async () => {
  await using rig = await serve({ trace: 1 });
  const fields: readonly http.OutgoingHttpHeaders[] = [
    { traceparent: parent("00") },
    { traceparent: parent("01").toUpperCase() },
    { traceparent: [parent("01"), parent("01")] },
    { b3: "0" },
    { tracestate: "a=1" },
    { many: "x".repeat(5000) },
  ];
  for (const headers of fields) await ask(rig, headers);
  assert.deepEqual(got("traceparent"), [
    ...[parent("00"), parent("01").toUpperCase(), parent("01"), parent("01")],
  ]);
  assert.deepEqual(rig.traced(), []);
});

test("between pods of one node both sides tell a span, and the server's is the one it is told of", async () => {
  await using rig = await serve({ trace: 0, pods: [{ uid: "server", node: "rig" }] });
  await ask(rig, { traceparent: parent("01") });
  const [, , spanId] = FIELD.exec(got("traceparent")[0] ?? "") ?? [];
  const [client, served, ...more] = rig.traced();
  assert.ok(client !== undefined && served !== undefined && more.length === 0);
  assert.deepEqual(
    [client.kind, client.parentId, client.of.workload],
    ["client", PARENT, "client"],
  );
  assert.deepEqual(idsOf(served), [TRACE, spanId, client.spanId]);
  assert.deepEqual([served.kind, served.of.workload], ["server", "server"]);

  const enrolment = { ...DEFAULT_ENROLMENT, trace: "off" as const };
  await using off = await serve({ trace: 1, pods: [{ uid: "server", node: "rig", enrolment }] });
  await ask(off);
  const [, , last] = FIELD.exec(got("traceparent")[1] ?? "") ?? [];
  assert.deepEqual(
    off.traced().map(({ kind, spanId: id }) => [kind, id]),
    [["client", last]],
  );
});

test("tries and refusals are in the span; every try tells of the same one", async () => {
  const nobody = net.createServer();
  nobody.listen(0, "127.0.0.1");
  await once(nobody, "listening");
  const { port } = nobody.address() as net.AddressInfo;
  nobody.close();
  const dead = { address: "127.0.0.1", port, workload: "server" };
  {
    await using rig = await serve(
      { trace: 1 },
      { endpoints: [dead, { ...at, workload: "server" }], balance: { kind: "round-robin" } },
    );
    for (let i = 0; i < 4; i++) assert.equal(await ask(rig), 200);
    const spans = rig.traced();
    const retried = spans.filter(({ attributes }) => attributes["http.request.resend_count"] === 1);
    assert.ok(retried.length > 0);
    assert.deepEqual(
      spans.map(({ spanId }) => spanId),
      got("traceparent").map((field) => FIELD.exec(field)?.[2]),
    );
  }
  await using rig = await serve({ trace: 1 }, { endpoints: [dead] });
  assert.equal(await ask(rig), 503);
  const [span] = rig.traced();
  assert.equal(span?.attributes["nodemesh.refusal.reason"], "connect-refused");
  assert.equal(span?.attributes["error.type"], "connect-refused");
  assert.match(span?.error ?? "", /^connect-refused: /);
});
