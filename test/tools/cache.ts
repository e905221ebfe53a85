/** Where programs that are built once lie: a folder of the user's, outside every checkout, so that a fresh clone finds them. */
import { homedir } from "node:os";
import { join } from "node:path";

/** NODEMESH_CACHE, else nodemesh under XDG_CACHE_HOME, else ~/.cache/nodemesh. May not exist yet. */
export function cacheFolder(): string {
  const { NODEMESH_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  return own || join(xdg || join(homedir(), ".cache"), "nodemesh");
}
