/** Calls Go: finds it, reads its version, and compiles a locked module while it tells how far it is. */
import { execFile, spawn } from "node:child_process";
import { existsSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Where Go lies when it is not in PATH: Go's own installer, and Debian's packages. */
const PLACES = ["/usr/local/go/bin/go", "/usr/lib/go/bin/go"];
const PROGRESS_MS = 10_000;
const LAST_LINES = 20;
/** Whatever this machine's settings say: only the locked modules, this Go, no C, no version control. */
const SETTINGS = [
  "CGO_ENABLED=0",
  "GOWORK=off",
  "GOTOOLCHAIN=local",
  "GOFLAGS=-mod=readonly -trimpath -buildvcs=false",
];

/** A Go that can be called. */
export interface Go {
  readonly path: string;
  /** For example go1.26.8. */
  readonly version: string;
  /** For example amd64. */
  readonly arch: string;
  /** Folder of compiled packages; may not exist yet. */
  readonly cache: string;
}

/** One compilation. */
export interface GoBuild {
  /** Folder with go.mod and go.sum. */
  readonly module: string;
  /** Package to compile, seen from `module`. */
  readonly target: string;
  readonly tags: readonly string[];
  readonly stamps: Readonly<Record<string, string>>;
  /** File to write. */
  readonly output: string;
}

/** The machine's Go. Throws an Error that says what to install when there is none or it is older than `least`. */
export async function findGo(least: { major: number; minor: number }): Promise<Go> {
  const wanted = `Go ${least.major}.${least.minor} or newer is needed to build the test cluster's programs`;
  for (const path of ["go", ...PLACES.filter((place) => existsSync(place))]) {
    const names = ["GOVERSION", "GOARCH", "GOCACHE"];
    const answer = await run("env", [...SETTINGS, path, "env", ...names]).catch(() => undefined);
    if (answer === undefined) continue;
    const [version = "", arch = "", cache = ""] = answer.stdout.split("\n");
    const [, major, minor] = /^go(\d+)\.(\d+)/.exec(version) ?? [];
    const newer = Number(major) > least.major || Number(minor) >= least.minor;
    if (major !== undefined && newer) return { path, version, arch, cache };
    throw new Error(`${wanted}, and ${path} is ${version}: install a newer one, first in PATH`);
  }
  throw new Error(`${wanted}: install it, in PATH or in /usr/local/go`);
}

/** Throws when the file system of Go's build cache has less than `bytes` free. */
export function ensureRoom(go: Go, bytes: number): void {
  let folder = go.cache;
  while (!existsSync(folder)) folder = dirname(folder);
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < bytes)
    throw new Error(
      `Go's build cache ${go.cache} may need ${(bytes / 1e9).toFixed(1)} GB, ${((bavail * bsize) / 1e9).toFixed(1)} GB are free: free some ("go clean -cache" empties it), or set GOCACHE to a folder on another disk`,
    );
}

/** Compiles; reports progress every ten seconds. Throws an Error with Go's last lines when it fails or is aborted. */
export async function goBuild(
  go: Go,
  build: GoBuild,
  report: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const stamps = Object.entries(build.stamps).map(([name, value]) => ` -X ${name}=${value}`);
  const tags = ["-tags", build.tags.join(",")];
  const linked = ["-ldflags", `-s -w${stamps.join("")}`];
  const flags = ["-v", ...tags, ...linked, "-o", build.output, build.target];
  // Others work on this machine too: nice.
  const args = ["-n", "5", "env", ...SETTINGS, go.path, "build", ...flags];
  const child = spawn("nice", args, {
    cwd: build.module,
    stdio: ["ignore", "ignore", "pipe"],
    ...(signal !== undefined && { signal }),
  });
  const seen = { packages: 0, downloads: 0 };
  const last: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (line.startsWith("go: downloading ")) seen.downloads += 1;
    else if (/^[\w./~-]+$/.test(line)) seen.packages += 1;
    else if (last.push(line) > LAST_LINES) last.shift();
  });
  const started = performance.now();
  const timer = setInterval(() => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    report(`${seconds} s: ${seen.downloads} modules fetched, ${seen.packages} packages compiled`);
  }, PROGRESS_MS);
  // An aborted one is told of at once, but it is over only when it has removed its temporary files.
  child.once("error", (error) => last.push(error.message));
  const code = await new Promise<number>((resolve) => {
    child.once("close", (status) => resolve(status ?? 1));
  });
  clearInterval(timer);
  if (code !== 0) throw new Error(`go build ${build.target} failed:\n${last.join("\n")}`);
}
