import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonLog } from "./log.ts";

test("a line of the log is JSON, and of foreign words nothing is obeyed by a terminal", () => {
  const lines: string[] = [];
  const log = jsonLog(
    (line) => lines.push(line),
    () => new Date(0),
  );
  log("warn", "no\u009bwords", { detail: "\u202ex" });
  assert.deepEqual(lines, [
    '{"time":"1970-01-01T00:00:00.000Z","level":"warn","message":"no\\u009bwords","detail":"\\u202ex"}\n',
  ]);
});
