/** Numbers on the command line. Pure. */

import { InvalidArgumentError } from "commander";

const UNIT_SECONDS: Readonly<Record<string, number>> = { "": 1, ms: 0.001, s: 1, m: 60, h: 3_600 };

/** Seconds from `5`, `1.5s`, `500ms`, `2m`, `1h`. Throws InvalidArgumentError. */
export function seconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(text);
  if (match === null)
    throw new InvalidArgumentError("must be a time of 0 or more such as 5, 5s or 2m");
  return Number(match[1]) * (UNIT_SECONDS[match[2] ?? ""] ?? 1);
}

/** A whole number of replicas, 0 to 1000. Throws InvalidArgumentError. */
export function replicaCount(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 1_000)
    throw new InvalidArgumentError("must be a whole number from 0 to 1000");
  return value;
}

/** `true` or `false` as kubectl's flags take them. Throws InvalidArgumentError. */
export function flag(text: string): boolean {
  if (text === "true") return true;
  if (text === "false") return false;
  throw new InvalidArgumentError("must be true or false");
}
