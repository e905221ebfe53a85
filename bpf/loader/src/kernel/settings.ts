import { readFileSync } from "node:fs";
import { release } from "node:os";
import { gunzipSync } from "node:zlib";

/** The kernel's build settings by name (`CONFIG_HZ` → `1000`), empty when it does not tell them. */
export function kernelSettings(): ReadonlyMap<string, string> {
  settings ??= parseSettings(readSettings());
  return settings;
}

let settings: ReadonlyMap<string, string> | undefined;

/** Version as the kernel packs it: major << 16, minor << 8, patch (at most 255). */
export function kernelVersionCode(text: string = release()): number {
  const [major = 0, minor = 0, patch = 0] = text
    .split(/[.-]/)
    .map((part) => Number.parseInt(part, 10) || 0);
  return (major << 16) + (minor << 8) + Math.min(patch, 255);
}

/** `CONFIG_X=value` lines of a kernel configuration file. */
export function parseSettings(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    if (at > 0 && line.startsWith("CONFIG_")) found.set(line.slice(0, at), line.slice(at + 1));
  }
  return found;
}

function readSettings(): string {
  for (const path of ["/proc/config.gz", `/boot/config-${release()}`]) {
    try {
      const bytes = readFileSync(path);
      return (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("latin1");
    } catch {
      // Try the next place; a kernel without either has no settings to tell.
    }
  }
  return "";
}
