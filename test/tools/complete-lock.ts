/**
 * Adds to package-lock.json the optional packages of other platforms that npm left out because the
 * registry it was made with does not carry them; `npm ci` refuses a lock without them. Run it once
 * after changing a dependency: `bin/run test/tools/complete-lock.ts`.
 */
import { readFile, writeFile } from "node:fs/promises";

interface LockedPackage {
  version?: string;
  dev?: boolean;
  optional?: boolean;
  os?: readonly string[];
  cpu?: readonly string[];
  libc?: readonly string[];
  optionalDependencies?: Readonly<Record<string, string>>;
}

const PLATFORM =
  /(android|darwin|freebsd|linux|openharmony|win32|netbsd|openbsd|sunos|aix)-(arm64|arm|x64|ia32|ppc64|riscv64|s390x|loong64)/;

/** A lock entry that npm skips on every machine but the one that the package's name tells; undefined when it tells none. */
function placeholder(name: string, range: string, dev: boolean): LockedPackage | undefined {
  const [, os, cpu] = PLATFORM.exec(name) ?? [];
  if (os === undefined || cpu === undefined) return undefined;
  const libc = name.includes("musl") ? ["musl"] : undefined;
  return {
    version: range.replace(/^[\^~]/, ""),
    cpu: [cpu],
    ...(dev ? { dev } : {}),
    ...(libc === undefined ? {} : { libc }),
    optional: true,
    os: [os],
  };
}

const path = new URL("../../package-lock.json", import.meta.url);
const lock = JSON.parse(await readFile(path, "utf8")) as {
  packages: Record<string, LockedPackage>;
};
const packages = { ...lock.packages };
const added: string[] = [];
for (const owner of Object.values(lock.packages)) {
  for (const [name, range] of Object.entries(owner.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    const entry = placeholder(name, range, owner.dev === true);
    if (packages[key] !== undefined || entry === undefined) continue;
    packages[key] = entry;
    added.push(name);
  }
}
lock.packages = Object.fromEntries(
  Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
);
await writeFile(path, `${JSON.stringify(lock, undefined, 2)}\n`);
console.log(`added ${added.length} packages of other platforms`);
