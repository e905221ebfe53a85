/** The agent's process: argv → config → app → signals → exit code. */

import { CommanderError } from "commander";
import { startApp } from "./app.ts";
import { parseConfig } from "./config.ts";
import { jsonLog } from "./log.ts";

/** Exit codes: 0 stopped as asked, 1 failed, 2 called wrongly. */
const FAILED = 1;
const USAGE = 2;

const log = jsonLog(
  (line) => process.stderr.write(line),
  () => new Date(),
);

try {
  const config = parseConfig(process.argv.slice(2));
  const app = await startApp({
    config,
    log,
    accessLog: process.stdout,
    onFatal: (error) => {
      log("error", error.message);
      process.exit(FAILED);
    },
  });
  const stop = (): void => {
    app.stop().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : USAGE);
  fail(error);
}

function fail(error: unknown): never {
  log("error", error instanceof Error ? error.message : String(error), {
    // Without the message, which it would say again: kubelet keeps 2 KB of an agent's last words.
    stack:
      error instanceof Error ? error.stack?.slice(error.stack.indexOf("\n    at ")) : undefined,
  });
  process.exit(FAILED);
}
