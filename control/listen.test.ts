import assert from "node:assert/strict";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { listenOn } from "./listen.ts";

async function scratch(): Promise<AsyncDisposable & { path: string }> {
  const directory = await mkdtemp(join(tmpdir(), "nodemesh-listen-"));
  return {
    path: join(directory, "s.sock"),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}

test("a socket left behind by a crash is replaced, and only its owner may use it", async () => {
  await using at = await scratch();
  await writeFile(at.path, "");
  const server = createServer();
  assert.equal(await listenOn(server, { kind: "unix", path: at.path }), `unix:${at.path}`);
  assert.equal((await stat(at.path)).mode & 0o777, 0o600);
  server.close();
});

test("a socket that somebody serves is not taken away", async () => {
  await using at = await scratch();
  const first = createServer((socket) => socket.destroy());
  await listenOn(first, { kind: "unix", path: at.path });
  await assert.rejects(listenOn(createServer(), { kind: "unix", path: at.path }), {
    message: `unix:${at.path}: another process listens there`,
  });
  first.close();
});

test("without a host all addresses are listened on, and an error names the port", async () => {
  const first = createServer((socket) => socket.destroy());
  const address = await listenOn(first, { kind: "tcp", host: undefined, port: 0 });
  const port = Number(address.split(":").at(-1));
  await assert.rejects(listenOn(createServer(), { kind: "tcp", host: "127.0.0.1", port }), {
    message: `can't listen on 127.0.0.1:${port}: another process uses the port; choose another one or stop it`,
  });
  await assert.rejects(listenOn(createServer(), { kind: "tcp", host: undefined, port }), {
    message: `can't listen on :${port}: another process uses the port; choose another one or stop it`,
  });
  first.close();
});

test("a port in use is an error that says what to do", async () => {
  const first = createServer();
  const address = await listenOn(first, { kind: "tcp", host: "127.0.0.1", port: 0 });
  const port = Number(address.split(":")[1]);
  await assert.rejects(listenOn(createServer(), { kind: "tcp", host: "127.0.0.1", port }), {
    message: `can't listen on ${address}: another process uses the port; choose another one or stop it`,
  });
  first.close();
});
