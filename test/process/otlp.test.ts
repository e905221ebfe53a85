/** What a collector that has faults of its own does to the sending of spans. Real collectors are in test/cluster. */

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { parseOtlpEndpoint } from "#model/otlp-endpoint.ts";
import { openOtlp, type SpanSender } from "../../agent/telemetry/otlp.ts";
import type { SpanRecord } from "../../agent/telemetry/span.ts";

const SPAN: SpanRecord = {
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
  parentId: "00f067aa0ba902b7",
  kind: "server",
  name: "GET",
  startedAt: 1_700_000_000_000.25,
  durationMs: 1.5,
  of: { namespace: "shop", workload: "user", pod: "user-0" },
  attributes: { "url.path": "/it", "http.response.status_code": 500 },
  error: "answered 500",
};

interface Collector extends AsyncDisposable {
  readonly bodies: Buffer[];
  readonly sender: SpanSender;
}

/** An HTTP server that answers these statuses, one after the other and then the last one again. */
async function collector(...statuses: readonly number[]): Promise<Collector> {
  const bodies: Buffer[] = [];
  const server = http.createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    assert.deepEqual(
      [request.method, request.url, request.headers["content-type"]],
      ["POST", "/v1/traces", "application/x-protobuf"],
    );
    response.writeHead(statuses[bodies.length] ?? statuses.at(-1) ?? 200).end();
    bodies.push(Buffer.concat(parts));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const endpoint = parseOtlpEndpoint(`http://127.0.0.1:${port}`);
  assert.ok(endpoint);
  const sender = await openOtlp(endpoint, { node: "node-1", version: "1.2.3" });
  return {
    ...{ bodies, sender },
    [Symbol.asyncDispose]: async () => {
      await sender.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

test("spans are posted in protobuf with all they hold", async () => {
  await using to = await collector(200);
  await to.sender.send([SPAN, { ...SPAN, spanId: "00f067aa0ba902b8" }]);
  const [body] = to.bodies;
  const texts = ["user", "shop", "user-0", "node-1", "nodemesh", "1.2.3", "/it", "answered 500"];
  for (const text of texts) assert.ok(body?.includes(text), text);
  for (const id of [SPAN.traceId, SPAN.spanId, SPAN.parentId ?? ""])
    assert.ok(body?.includes(Buffer.from(id, "hex")), id);
  // One resource for both spans of the pod.
  assert.equal(body?.toString("latin1").split("k8s.pod.name").length, 2);
});

test("what the collector refuses fails, what it is too busy for is sent again", async () => {
  await using refusing = await collector(400);
  await assert.rejects(refusing.sender.send([SPAN]));
  assert.equal(refusing.bodies.length, 1);
  await using busy = await collector(503, 200);
  await busy.sender.send([SPAN]);
  assert.equal(busy.bodies.length, 2);
});
