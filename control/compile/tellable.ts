/**
 * What may be told to agents. They take a message whole or not at all, so one object that they can't read
 * would keep everybody's changes from everybody: here it is left out, and its owner told. What is published decodes.
 */

import { type Flaw, flawOf, MAX_MESSAGE_BYTES } from "#model/codec.ts";
import { KIND, type Kind } from "#model/kinds.ts";
import type { Condition } from "../k8s/api/condition.ts";
import { objectRef } from "../k8s/api/decode.ts";
import type { Claimant } from "./conflicts.ts";
import type { CompiledService } from "./services.ts";
import type { CompiledPod } from "./workloads.ts";

/** A compiled object that agents take, with its length in a message. */
export type Tellable<C> = C & { readonly bytes: number };

/** All values of a snapshot together; what is left of a message is for the names of those that went. */
export const MAX_TOLD_BYTES: number = (MAX_MESSAGE_BYTES / 4) * 3;

/** The pod as it may be told. */
export function tellablePod(compiled: CompiledPod): Tellable<CompiledPod> {
  return tellable(compiled, KIND.workloads);
}

/** The Service as it may be told. */
export function tellableService(compiled: CompiledService): Tellable<CompiledService> {
  return tellable(compiled, KIND.services);
}

interface Compiled<T> extends Claimant<T> {
  readonly conditions: readonly Condition[];
}

function tellable<T extends object, C extends Compiled<T>>(
  compiled: C,
  kind: Kind<T>,
): Tellable<C> {
  const { value, conditions } = compiled;
  if (value === undefined) return { ...compiled, bytes: 0 };
  const flaw = flawOf(kind, value);
  if (flaw === undefined) return { ...compiled, bytes: Buffer.byteLength(JSON.stringify(value)) };
  const condition = unreadable(compiled, flaw, kind.owner.fields);
  return { ...compiled, value: undefined, bytes: 0, conditions: [...conditions, condition] };
}

function unreadable<T>(
  { source }: Claimant<T>,
  { field, problem }: Flaw,
  fields: Readonly<Record<string, string>>,
): Condition {
  const [of = ""] = field.split(/[.[]/);
  return {
    ref: objectRef(source),
    reason: "left-out",
    field: fields[of] ?? "",
    problem: `${field} ${problem} in what agents are told`,
    nextStep: "mend it; until then the mesh leaves the object alone",
  };
}

/** Something to tell, of whatever kind. */
export type Told = Tellable<Claimant<unknown>>;

/** Who has to stay out. */
export interface Overflow {
  readonly leftOut: ReadonlySet<Told>;
  readonly conditions: readonly Condition[];
}

const NO_OVERFLOW: Overflow = { leftOut: new Set(), conditions: [] };

/** What all of these take of a message. */
export function bytesOf(all: readonly Told[]): number {
  return all.reduce((sum, told) => sum + told.bytes + 1, 0);
}

/**
 * When all are more than a message may hold, the longest stay out, by name among equals, so that the others are told.
 * `bytes` of a group: its bytesOf().
 */
export function overflowOf(
  groups: readonly { readonly outputs: readonly Told[]; readonly bytes: number }[],
  maxBytes: number = MAX_TOLD_BYTES,
): Overflow {
  let bytes = groups.reduce((sum, group) => sum + group.bytes, 0);
  if (bytes <= maxBytes) return NO_OVERFLOW;
  const all = groups.flatMap(({ outputs }) => outputs);
  const leftOut = new Set<Told>();
  const longestFirst = all.sort((a, b) => b.bytes - a.bytes || (a.key < b.key ? -1 : 1));
  for (const told of longestFirst) {
    if (bytes <= maxBytes) break;
    bytes -= told.bytes;
    leftOut.add(told);
  }
  return { leftOut, conditions: Array.from(leftOut, (told) => overlong(told, maxBytes)) };
}

function overlong({ source, bytes }: Told, maxBytes: number): Condition {
  return {
    ref: objectRef(source),
    reason: "left-out",
    field: "",
    problem: `takes ${bytes} bytes, and all objects together more than the ${maxBytes} that a message may hold`,
    nextStep: "use fewer ports or endpoints; until then the mesh leaves the object alone",
  };
}
