/** What a worker tells the admin socket. */

import type { EndpointSet } from "../flow/balance/endpoint-set.ts";
import type { Directory } from "../flow/directory.ts";
import type { LocalPod } from "../flow/pod.ts";
import type { Row } from "../messages.ts";

/** Most rows of one answer. */
const MAX_ROWS = 10_000;

/** The first of them, as many as an answer may have. */
export function bounded(rows: Iterable<Row>): readonly Row[] {
  return [...Iterator.from(rows).take(MAX_ROWS)];
}

/** A row for each connection that is carried. */
export function* connectionRows(worker: number, pods: Iterable<LocalPod>): Generator<Row, void> {
  for (const pod of pods)
    for (const one of pod.carried) yield { worker, pod: pod.uid, ...one.describe() };
}

/** A row for each endpoint of each service port that was used. */
export function* endpointRows(
  worker: number,
  directory: Directory<EndpointSet>,
): Generator<Row, void> {
  for (const { service, port, state } of directory.active())
    for (const { address, port: target, state: condition, health, active } of state.endpoints)
      yield {
        worker,
        service: `${service.namespace}/${service.name}`,
        port: port.port,
        endpoint: `${address} ${target}`,
        state: condition,
        health,
        active,
      };
}
