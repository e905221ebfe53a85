/**
 * Tests of whole processes: what starts, serves, refuses and stops is the very program that users run.
 * This file: runs control/main.ts with sockets and manifests in a directory of its own.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** One line of control's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** A running control process with its directory of manifests. */
export interface ControlProcess extends AsyncDisposable {
  readonly process: ChildProcess;
  readonly directory: string;
  readonly manifests: string;
  readonly listen: string;
  readonly admin: string;
  /** Resolves with the first log line, past or to come, that has the event. */
  logged(event: string): Promise<LogLine>;
  /** GET over the admin socket, JSON parsed. */
  ask(path: string): Promise<unknown>;
  /** Writes a manifest atomically. */
  put(name: string, manifest: unknown): Promise<void>;
  /** Sends SIGTERM and resolves with the exit code. */
  stop(): Promise<number | null>;
}

const MAIN = fileURLToPath(new URL("../../control/main.ts", import.meta.url));

/** Starts control on sockets in a fresh directory. */
export async function startControlProcess(): Promise<ControlProcess> {
  const directory = await mkdtemp(join(tmpdir(), "nodemesh-control-"));
  const manifests = await mkdtemp(join(directory, "manifests-"));
  const listen = join(directory, "listen.sock");
  const admin = join(directory, "admin.sock");
  const flags = ["--manifests", manifests, "--listen", `unix:${listen}`, "--admin", admin];
  const child = spawn(process.execPath, [MAIN, ...flags, "--metrics", "127.0.0.1:0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = Promise.withResolvers<number | null>();
  child.once("exit", (code) => exit.resolve(code));
  const logged = followLog(child, exit.promise);
  return {
    process: child,
    directory,
    manifests,
    listen,
    admin,
    logged,
    ask: (path) => askSocket(admin, path),
    async put(name, manifest) {
      const draft = join(manifests, `.${name}`);
      await writeFile(draft, JSON.stringify(manifest));
      await rename(draft, join(manifests, name));
    },
    stop() {
      child.kill("SIGTERM");
      return exit.promise;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exit.promise;
      await rm(directory, { recursive: true });
    },
  };
}

/** Runs control with flags that make it end by itself; its exit code and standard error. */
export async function runControl(
  flags: readonly string[],
): Promise<{ code: number | null; errors: string }> {
  const child = spawn(process.execPath, [MAIN, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (piece: Buffer) => {
    errors += piece.toString();
  });
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.once("close", (code) => resolve(code));
  return { code: await promise, errors };
}

function followLog(
  child: ChildProcess,
  exited: Promise<unknown>,
): (event: string) => Promise<LogLine> {
  const lines: LogLine[] = [];
  let wake = Promise.withResolvers<void>();
  let ended = false;
  if (child.stdout === null) throw new Error("control's output is piped");
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(JSON.parse(line) as LogLine);
    wake.resolve();
    wake = Promise.withResolvers();
  });
  void exited.then(() => {
    ended = true;
    wake.resolve();
  });
  return async (event) => {
    for (;;) {
      const found = lines.find((line) => line["event"] === event);
      if (found !== undefined) return found;
      if (ended) throw new Error(`control ended before it logged ${event}`);
      await wake.promise;
    }
  };
}

function askSocket(socketPath: string, path: string): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const asked = request({ socketPath, path }, (response) => {
    let body = "";
    response.on("data", (piece: Buffer) => {
      body += piece.toString();
    });
    response.on("end", () => {
      const isJson = response.headers["content-type"] === "application/json";
      resolve(isJson ? JSON.parse(body) : { status: response.statusCode, body });
    });
  });
  asked.on("error", reject);
  asked.end();
  return promise;
}
