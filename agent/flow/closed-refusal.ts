/** What is told of a connection that did not end by itself. */

import { type Refusal, refuse } from "#model/refusal.ts";
import type { CloseCause } from "../engine/channel.ts";
import { vanishedErrno } from "../engine/close-cause.ts";
import type { Ending } from "../http/message.ts";

/** Which end of a carried connection. */
export type Side = "client" | "server";

/** Why the channel towards that side closed, if there is a reason of the mesh's own to tell. */
export function closedRefusal(side: Side, cause: CloseCause): Refusal | undefined {
  if (cause.kind === "memory-limit")
    return refuse("memory-limit", "the pod's buffer budget is spent");
  const errno = vanishedErrno(cause);
  return errno === undefined ? undefined : vanished(side, errno);
}

/** The same of an HTTP connection towards that side that ended while nothing was asked. */
export function endingRefusal(side: Side, ending: Ending): Refusal | undefined {
  return ending.kind === "vanished" ? vanished(side, ending.errno) : undefined;
}

function vanished(side: Side, errno: string): Refusal {
  return refuse("peer-vanished", `the ${side} does not answer any more: ${errno}`);
}
