import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { EMPTY_SNAPSHOT } from "#model/snapshot.ts";
import { type AdminInputs, type AdminProviders, startAdmin } from "./admin.ts";

const PROVIDERS: AdminProviders = {
  config: () => ({ node: "n1" }),
  snapshot: () => ({ ...EMPTY_SNAPSHOT, version: 7, epoch: "e" }),
  pods: () => [{ name: "user-1" }, { name: "user-2" }],
  connections: async () => new Set([1n, 2n]),
  endpoints: () => endless(),
  counters: () => [new Map([["outbound-caught", 3]])],
  readiness: { ready: false, awaited: () => [{ name: "snapshot", seconds: 2 }] },
};

function* endless(): Generator<number> {
  for (let i = 0; ; i++) yield i;
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "nodemesh-admin-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

async function rig(t: TestContext, inputs: Partial<AdminInputs> = {}) {
  const path = join(folder(t), "run", "agent.sock");
  const errors: string[] = [];
  const onError = (where: string, error: unknown) => errors.push(`${where}: ${error}`);
  const admin = await startAdmin({ path, providers: PROVIDERS, onError, ...inputs });
  t.after(() => admin.close());
  return { path, admin, errors };
}

interface Reply {
  readonly status: number | undefined;
  readonly body: string;
}

function ask(socketPath: string, path: string, method = "GET"): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, method, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode, body }));
    });
    asked.on("error", reject);
    asked.end();
  });
}

async function page(socketPath: string, path: string): Promise<unknown> {
  return JSON.parse((await ask(socketPath, path)).body);
}

describe("pages", () => {
  test("show what the providers say, as JSON", async (t) => {
    const { path } = await rig(t);
    const none = { items: [], truncated: false };
    assert.deepEqual(await page(path, "/config"), { node: "n1" });
    assert.deepEqual(await page(path, "/snapshot"), {
      version: 7,
      epoch: "e",
      workloads: none,
      services: none,
    });
    assert.deepEqual(await page(path, "/pods?limit=1"), {
      items: [{ name: "user-1" }],
      truncated: true,
    });
    assert.deepEqual(await page(path, "/connections"), { items: ["1", "2"], truncated: false });
    assert.deepEqual(await page(path, "/counters"), {
      items: [{ "outbound-caught": 3 }],
      truncated: false,
    });
    const ready = await ask(path, "/ready");
    assert.equal(ready.status, 503);
    assert.deepEqual(JSON.parse(ready.body), {
      ready: false,
      awaited: [{ name: "snapshot", seconds: 2 }],
    });
  });

  test("lists end at a limit, whatever the provider has and the request asks", async (t) => {
    const { path } = await rig(t);
    const listed = (await page(path, "/endpoints")) as { items: unknown[]; truncated: boolean };
    assert.deepEqual([listed.items.length, listed.truncated], [1_000, true]);
    for (const limit of ["0", "-1", "1e5", "100001", "9999999", "x"])
      assert.equal((await ask(path, `/endpoints?limit=${limit}`)).status, 400, limit);
  });

  test("only GET and HEAD of known paths are answered", async (t) => {
    const { path } = await rig(t);
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
      assert.equal((await ask(path, "/config", method)).status, 405, method);
    assert.equal((await ask(path, "/secrets")).status, 404);
    assert.equal((await ask(path, "/../config")).status, 404);
  });

  test("a provider that fails or hangs costs its own page only, and its message stays here", async (t) => {
    const pods = () => {
      throw new Error("inner detail");
    };
    const connections = () => new Promise<never>(() => undefined);
    const providers = { ...PROVIDERS, pods, connections };
    const { path, errors } = await rig(t, { providers, timeoutMs: 1 });
    const failed = await ask(path, "/pods");
    assert.deepEqual([failed.status, failed.body.includes("inner detail")], [500, false]);
    assert.deepEqual(errors, ["/pods: Error: inner detail"]);
    assert.equal((await ask(path, "/connections")).status, 504);
    assert.equal((await ask(path, "/config")).status, 200);
  });
});

describe("socket", () => {
  test("is for its owner only and is gone after close", async (t) => {
    const { path, admin } = await rig(t);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await admin.close();
    assert.throws(() => statSync(path), /ENOENT/);
  });

  test("a second agent is refused and the first goes on", async (t) => {
    const { path } = await rig(t);
    await assert.rejects(
      startAdmin({ path, providers: PROVIDERS, onError: () => undefined }),
      /already running/,
    );
    assert.equal((await ask(path, "/config")).status, 200);
  });

  test("the leftover of a dead process is replaced, a file that is no socket is not", async (t) => {
    const base = folder(t);
    const path = join(base, "agent.sock");
    await leaveSocket(path);
    assert.ok(statSync(path).isSocket());
    const admin = await startAdmin({ path, providers: PROVIDERS, onError: () => undefined });
    assert.equal((await ask(path, "/config")).status, 200);
    await admin.close();
    writeFileSync(path, "precious");
    await assert.rejects(
      startAdmin({ path, providers: PROVIDERS, onError: () => undefined }),
      /not a socket/,
    );
    assert.ok(statSync(path).isFile());
  });
});

/** Makes a socket file nobody listens on: what a killed process leaves. */
async function leaveSocket(path: string): Promise<void> {
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  await once(spawn(process.execPath, ["-e", script]), "exit");
}
