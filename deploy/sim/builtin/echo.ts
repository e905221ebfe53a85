/**
 * The image `nodemesh/echo`: an HTTP server that says who it is and whom it sees. Built-in programs run in
 * pods by the pinned Node, so that the samples need nothing installed. They may import only Node's modules,
 * and know nothing of the mesh or of the simulator.
 *
 * `/` who answers, to whom · `/call` asks UPSTREAM and answers with both · `/slow?ms=N` answers after N ms ·
 * `/bytes/N` N bytes · `/status/N` that status · `/healthz` 200 · anything else as `/`.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, get } from "node:http";
import { hostname } from "node:os";
import { settings } from "./settings.ts";

/** A longer /bytes answer is a typing mistake. */
const MAX_BYTES = 1 << 30;
const PIECE: Uint8Array = new Uint8Array(65_536).fill(0x78);

const { port, service, podName, upstream } = settings(hostname());

const server = createServer((request, response) => {
  answer(request, response);
});
// Kept-alive connections may idle as long as a client's pool likes; the default of 5 s races with it.
server.keepAliveTimeout = 75_000;
server.listen({ port, host: "::", backlog: 1024 });

/** While terminating the server goes on serving (its endpoint is being withdrawn), then closes in order. */
const WITHDRAWAL_MS = 1_000;
process.once("SIGTERM", () => {
  // "Connection: close" on each answer lets clients leave by themselves.
  server.keepAliveTimeout = 1;
  setTimeout(() => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  }, WITHDRAWAL_MS);
});

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? "/", "http://pod");
  const [, word = "", value = ""] = url.pathname.split("/");
  switch (word) {
    case "healthz":
      response.end("ok\n");
      return;
    case "slow":
      setTimeout(() => sayWho(request, response), Number(url.searchParams.get("ms") ?? 1_000));
      return;
    case "bytes":
      sendBytes(response, Math.min(Number(value) || 0, MAX_BYTES));
      return;
    case "status":
      response.writeHead(statusOf(value)).end();
      return;
    case "call":
      askUpstream(request, response);
      return;
    default:
      sayWho(request, response);
  }
}

function who(request: IncomingMessage): Record<string, unknown> {
  return {
    pod: podName,
    service,
    client: plain(request.socket.remoteAddress),
    server: plain(request.socket.localAddress),
    method: request.method,
    path: request.url,
    host: request.headers.host,
  };
}

/** Answers once the body is there, with its length: so that a POST proves that its body arrived. */
function sayWho(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  request.on("end", () => sendJson(response, 200, { ...who(request), bytes }));
}

function askUpstream(request: IncomingMessage, response: ServerResponse): void {
  if (upstream === undefined) {
    sendJson(response, 404, { ...who(request), error: "this pod has no UPSTREAM" });
    return;
  }
  get(upstream, (asked) => {
    const pieces: Buffer[] = [];
    asked.on("data", (piece: Buffer) => pieces.push(piece));
    asked.on("end", () => {
      const text = Buffer.concat(pieces).toString();
      sendJson(response, asked.statusCode ?? 502, { ...who(request), upstream: parsed(text) });
    });
  }).on("error", (error) => sendJson(response, 502, { ...who(request), error: error.message }));
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return;
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}

function sendBytes(response: ServerResponse, total: number): void {
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": total });
  let left = total;
  const more = (): void => {
    while (left > 0) {
      const piece = PIECE.subarray(0, Math.min(left, PIECE.length));
      left -= piece.length;
      if (!response.write(piece)) return;
    }
    response.off("drain", more);
    response.end();
  };
  response.on("drain", more);
  more();
}

function statusOf(text: string): number {
  const status = Number(text);
  return Number.isInteger(status) && status >= 200 && status <= 599 ? status : 400;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** An IPv4 client of a dual-stack listener shows as ::ffff:a.b.c.d. */
function plain(address: string | undefined): string {
  return (address ?? "").replace(/^::ffff:/, "");
}
