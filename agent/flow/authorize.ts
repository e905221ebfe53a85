/** Stage authorize: the only maker of a `Permit`. Later stages take a Permit and so can't be reached without it. */

import { type Refusal, refuse } from "#model/refusal.ts";
import type { Workload } from "#model/workload.ts";
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
  const closed = closedEnd(connection);
  if (closed !== undefined) return refuseClosed(closed);
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

/** The end that this agent must keep to itself; pods of other nodes are their own agents' to close. */
function closedEnd(connection: Identified): Workload | undefined {
  const { target } = connection;
  if (connection.kind === "inbound") return closedPod(connection.target);
  const { source } = connection;
  if (source.closed === true) return source;
  // Connections between pods of one node have no inbound stage.
  return "kind" in target && target.kind === "pod" && target.workload.node === source.node
    ? closedPod(target.workload)
    : undefined;
}

function closedPod(workload: Workload): Workload | undefined {
  return workload.closed === true ? workload : undefined;
}

function refuseClosed({ namespace, name }: Workload): Refusal {
  return refuse("policy-unknown", `pod ${namespace}/${name} is closed for agents as old as this`);
}

/**
 * The second permit: asked when the endpoint is known, and for each further try. `undefined` = it may. `workload`: the pod
 * behind the endpoint. In this release only pods of this node that are closed are refused: nobody asks on their side.
 */
export function authorizeEndpoint(
  { connection }: Permit,
  workload: Workload | undefined,
): Refusal | undefined {
  if (connection.kind === "inbound" || workload?.node !== connection.source.node) return undefined;
  return workload.closed === true ? refuseClosed(workload) : undefined;
}

/**
 * Asked of every live connection when the snapshot has changed, with what is known of a pod now. `undefined` = it may go
 * on. In this release what was permitted once stays permitted, unless its pod was closed: enrolling and un-enrolling
 * reset nothing.
 */
export function reauthorize(
  { connection }: Permit,
  workload: (uid: string) => Workload | undefined,
): Refusal | undefined {
  const { uid } = connection.kind === "inbound" ? connection.target : connection.source;
  const now = workload(uid);
  return now?.closed === true ? refuseClosed(now) : undefined;
}
