/**
 * The control plane's process. Exit codes: 0 stopped by SIGTERM or SIGINT; 1 could not start (the message
 * says why and what to do); 2 wrong flags. Logs JSON lines to standard output.
 */

import { randomBytes } from "node:crypto";
import { CommanderError } from "commander";
import { visibleJson, visibleLines } from "#model/visible.ts";
import { type ControlSeams, startControl } from "./app.ts";
import { type ControlConfig, parseConfig } from "./config.ts";

const config = configOrExit();
const stop = new AbortController();
const stopped = stopSignal();
const seams: ControlSeams = {
  log,
  now: () => new Date(),
  // Random, not counted: a control that lost its disk must not take up an old epoch.
  epoch: randomBytes(8).toString("hex"),
  signal: stop.signal,
};

try {
  const control = await startControl(config, seams);
  log("ready", { ...control.addresses, epoch: seams.epoch });
  const signal = await stopped;
  log("stopping", { signal });
  await control[Symbol.asyncDispose]();
  process.exit(0);
} catch (cause) {
  // Told to stop while it waited for the API server.
  if (stop.signal.aborted) process.exit(0);
  const problem = cause instanceof Error ? cause.message : String(cause);
  console.error(visibleLines(`nodemesh-control: ${problem}`));
  process.exit(1);
}

function configOrExit(): ControlConfig {
  try {
    return parseConfig(process.argv.slice(2));
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    // commander has printed the help or the error.
    process.exit(cause.exitCode === 0 ? 0 : 2);
  }
}

function stopSignal(): Promise<NodeJS.Signals> {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of ["SIGTERM", "SIGINT"] as const)
    process.on(signal, () => {
      stop.abort();
      resolve(signal);
    });
  return promise;
}

function log(event: string, fields: Readonly<Record<string, unknown>>): void {
  const line = JSON.stringify({ time: new Date().toISOString(), event, ...fields });
  console.log(visibleJson(line));
}
