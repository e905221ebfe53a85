/** The images themselves. */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { librariesOf } from "../../../deploy/images/elf.ts";
import { cacheFolder } from "../../tools/cache.ts";
import { PAUSE_IMAGE } from "../node/files.ts";
import { packFolder } from "./archive.ts";

/** Name of the image with a shell, curl and network tools for pods of tests. */
export const TOOLS_IMAGE = "localhost/tools:1";
/** Programs in the tools image besides busybox. */
const TOOLS = ["/usr/bin/curl", "/sbin/ip", "/usr/bin/nsenter"];
/** The C library loads these by name. */
const NAME_SERVICE = ["libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2"];
/** These of the static busybox end with SIGSEGV when they look up a name. */
const BROKEN_APPLETS = new Set(["wget", "nslookup", "busybox"]);

/** The pause program and its image. */
export interface Pause {
  readonly program: string;
  readonly image: string;
}

/** Builds the pause program and image at the first use. */
export function ensurePause(): Pause {
  const source = join(import.meta.dirname, "pause.c");
  const folder = cached("pause", readFileSync(source, "utf8"), (half) => {
    const program = join(half, "pause");
    execFileSync("gcc", ["-Os", "-static", "-s", "-Wall", "-o", program, source]);
    mkdirSync(join(half, "root"));
    copyFileSync(program, join(half, "root", "pause"));
    const words = { name: PAUSE_IMAGE, entrypoint: ["/pause"] };
    packFolder(join(half, "root"), words, join(half, "scratch"), join(half, "image.tar"));
  });
  return { program: join(folder, "pause"), image: join(folder, "image.tar") };
}

/** Path of the tools image's archive, made at the first use. */
export function ensureToolsImage(): string {
  const version = readFileSync("/var/lib/dpkg/status", "utf8")
    .split("\n\n")
    .filter((entry) => /^Package: (?:busybox-static|curl|iproute2|util-linux|libc6)\n/.test(entry))
    .map((entry) => /^Version: .*$/m.exec(entry)?.[0])
    .join();
  const key = [version, readFileSync(import.meta.filename, "utf8")].join("\n");
  const folder = cached("tools", key, (half) => {
    const root = join(half, "root");
    fillTools(root);
    const words = { name: TOOLS_IMAGE, entrypoint: [] };
    packFolder(root, words, join(half, "scratch"), join(half, "image.tar"));
    rmSync(root, { recursive: true });
  });
  return join(folder, "image.tar");
}

function fillTools(root: string): void {
  const put = (file: string, path: string = file): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    copyFileSync(file, join(root, path));
  };
  const text = (path: string, content: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  put("/bin/busybox");
  const applets = execFileSync("/bin/busybox", ["--list"], { encoding: "utf8" }).split("\n");
  const own = new Set(TOOLS.map((path) => basename(path)));
  for (const applet of applets)
    if (applet !== "" && !BROKEN_APPLETS.has(applet) && !own.has(applet))
      symlinkSync("busybox", join(root, "bin", applet));
  const services = NAME_SERVICE.map((name) => join(libraryFolder(), name));
  for (const file of TOOLS) put(file, `/usr/bin/${basename(file)}`);
  for (const library of new Set([...TOOLS, ...services].flatMap(librariesOf))) put(library);
  for (const service of services) put(service);
  text("/etc/passwd", "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n");
  text("/etc/group", "root:x:0:\n");
  text("/etc/nsswitch.conf", "hosts: files dns\n");
  for (const folder of ["tmp", "proc", "sys", "dev", "root", "www"])
    mkdirSync(join(root, folder), { recursive: true });
  chmodSync(join(root, "tmp"), 0o1777);
}

/** Where Debian keeps the C library of this machine's architecture. */
function libraryFolder(): string {
  const library = librariesOf("/usr/bin/curl").find((path) => basename(path) === "libc.so.6");
  if (library === undefined) throw new Error("/usr/bin/curl is not linked to the C library");
  return dirname(library);
}

/** The folder of that name and content in the cache; a half-made one never has its name. */
function cached(name: string, content: string, make: (half: string) => void): string {
  const key = createHash("sha256").update(content).digest("hex").slice(0, 12);
  const folder = join(cacheFolder(), `${name}-image-${key}`);
  if (existsSync(folder)) return folder;
  mkdirSync(cacheFolder(), { recursive: true });
  const half = mkdtempSync(join(cacheFolder(), `.half-${name}-`));
  chmodSync(half, 0o755);
  try {
    make(half);
    renameSync(half, folder);
  } catch (error) {
    rmSync(half, { recursive: true, force: true });
    if (!existsSync(folder)) throw error; // another process was faster
  }
  return folder;
}
