import type { Reason } from "#model/refusal.ts";

/** The refusal reason of a failed connect, from the symbolic errno. */
export function connectReason(errno: string): Reason {
  if (errno === "ECONNREFUSED") return "connect-refused";
  if (errno === "ETIMEDOUT") return "connect-timeout";
  return "connect-failed";
}
