/** Stage authorize: the only maker of a `Permit`. Later stages take a Permit and so can't be reached without it. */

import { type Refusal, refuse } from "#model/refusal.ts";
import type { Identified } from "./identify.ts";

const PERMITTED: unique symbol = Symbol("permitted");

/** Proof that a connection was authorized under the snapshot it was identified with. */
export interface Permit {
  readonly [PERMITTED]: true;
  readonly connection: Identified;
}

/**
 * Decides whether a connection may go on. `known` is whether any snapshot was ever received: without
 * policy data nothing is allowed. In this release the policies are the pod's own `mesh/mtls` mode:
 * `strict` takes connections only from pods that are in the mesh themselves.
 */
export function authorize(connection: Identified, known: boolean): Permit | Refusal {
  if (!known) return refuse("no-policy-data", "no snapshot was received from control yet");
  if (connection.kind === "inbound" && connection.target.enrolment?.mtls === "strict") {
    const { source } = connection;
    const meshed = !("kind" in source) && source.enrolment !== undefined;
    if (!meshed)
      return refuse(
        "denied",
        `mesh/mtls=strict and ${connection.client.address} is not in the mesh`,
      );
  }
  return { [PERMITTED]: true, connection };
}
