/** The agent's own log: JSON lines for machines and people, variables as fields. Never secrets, never network bytes. */

import { visibleJson } from "#model/visible.ts";

/** How much it matters: `error` needs a human, `warn` may, `info` is the story. */
export type Level = "info" | "warn" | "error";

/** Writes one line. */
export type Log = (
  level: Level,
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

/** A log that writes to a sink (one call per line, newline included). */
export function jsonLog(write: (line: string) => void, now: () => Date): Log {
  return (level, message, fields = {}) => {
    const line = JSON.stringify({ time: now().toISOString(), level, message, ...fields });
    write(`${visibleJson(line)}\n`);
  };
}
