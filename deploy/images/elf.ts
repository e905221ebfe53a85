/** Which shared libraries a program of this machine is linked to, with all they need themselves. */

import { execFileSync } from "node:child_process";

/** Paths as the program's loader looks for them, the loader itself included; none for a static program. */
export function librariesOf(file: string): readonly string[] {
  let text: string;
  try {
    text = execFileSync("ldd", [file], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (cause) {
    const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr) : "";
    if (said.includes("not a dynamic executable")) return [];
    throw new Error(`ldd ${file} failed: ${said}`, { cause });
  }
  if (text.includes("not found"))
    throw new Error(`${file} needs a library that is not installed:\n${text}`);
  return [...text.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path).sort();
}
