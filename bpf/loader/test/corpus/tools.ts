import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

/**
 * The corpus: objects nobody here wrote (the kernel's BPF self-tests), loaded by libbpf and by us, compared program by
 * program; then mutated, to see that nothing traps, hangs or leaks. Needs root, apt-get and a few minutes.
 * It may import the loader's inside; nothing imports it.
 */
const KERNEL = "linux-source-6.12";
/** A program or file that must be there, and the Debian package that brings it. */
const NEEDED: readonly (readonly [string, string])[] = [
  ["/usr/bin/clang-19", "clang-19"],
  ["/usr/sbin/bpftool", "bpftool"],
  [`/usr/src/${KERNEL}.tar.xz`, KERNEL],
  ["/usr/include/libelf.h", "libelf-dev"],
  ["/usr/include/zlib.h", "zlib1g-dev"],
  ["/usr/bin/python3", "python3"],
  ["/usr/bin/xz", "xz-utils"],
];
const PARTS = [
  "tools/testing/selftests/bpf",
  "tools/lib/bpf",
  "tools/include",
  "tools/arch",
  "scripts/bpf_doc.py",
];

const run = promisify(execFile);

/** Where everything lies. */
export interface Workshop {
  readonly tree: string;
  readonly objects: string;
  readonly reference: string;
}

/** Installs what is missing, unpacks the kernel's tools, builds the reference loader. Later runs find all of it. */
export async function openWorkshop(cache: string): Promise<Workshop> {
  installMissing();
  mkdirSync(cache, { recursive: true });
  const tree = join(cache, "bpf-corpus");
  if (!existsSync(tree)) unpack(cache, tree);
  const out = join(tree, "out");
  mkdirSync(join(out, "objects"), { recursive: true });
  prepareHeaders(tree, out);
  const reference = join(out, "reference");
  await buildReference(tree, reference);
  return { tree, objects: join(out, "objects"), reference };
}

function installMissing(): void {
  const packages = NEEDED.filter(([path]) => !existsSync(path)).map(([, name]) => name);
  if (packages.length === 0) return;
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", DEBIAN_FRONTEND: "noninteractive" };
  execFileSync("apt-get", ["update", "-q"], { stdio: "ignore", env });
  const flags = ["install", "-y", "-q", "--no-install-recommends"];
  execFileSync("apt-get", [...flags, ...packages], { stdio: ["ignore", "ignore", "inherit"], env });
}

function unpack(cache: string, tree: string): void {
  const temporary = `${tree}.new`;
  mkdirSync(temporary, { recursive: true });
  const parts = PARTS.map((part) => `${KERNEL}/${part}`);
  execFileSync("tar", ["xJf", `/usr/src/${KERNEL}.tar.xz`, "-C", temporary, ...parts], {
    cwd: cache,
  });
  // Named last, so that an interrupted unpacking is done again.
  renameSync(join(temporary, KERNEL), tree);
}

/** vmlinux.h of the running kernel, the helpers' prototypes, and libbpf's headers as <bpf/…>. */
function prepareHeaders(tree: string, out: string): void {
  const options = { cwd: tree, maxBuffer: 1 << 28 };
  const header = join(out, "vmlinux.h");
  const library = join(tree, "tools/lib/bpf");
  if (!existsSync(header)) {
    const arguments_ = ["btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"];
    writeFileSync(header, execFileSync("/usr/sbin/bpftool", arguments_, options));
  }
  const helpers = join(library, "bpf_helper_defs.h");
  if (!existsSync(helpers)) {
    const script = ["scripts/bpf_doc.py", "--header", "--file", "tools/include/uapi/linux/bpf.h"];
    writeFileSync(helpers, execFileSync("/usr/bin/python3", script, options));
  }
  mkdirSync(join(out, "include"), { recursive: true });
  if (!existsSync(join(out, "include/bpf"))) {
    execFileSync("ln", ["-s", library, join(out, "include/bpf")]);
  }
}

async function buildReference(tree: string, output: string): Promise<void> {
  const source = join(import.meta.dirname, "reference.c");
  const includes = ["tools/lib/bpf", "out/include", "tools/include", "tools/include/uapi"];
  const script =
    'exec clang-19 -O2 -w -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $1 -Wl,--wrap=syscall -o "$2" "$3" tools/lib/bpf/*.c -lelf -lz';
  const flags = includes.map((path) => `-I${path}`).join(" ");
  await run("sh", ["-c", script, "sh", flags, output, source], { cwd: tree });
}
