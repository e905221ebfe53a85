/** What control says of itself to `nodemesh check` and `status`: the page /status of its metrics port. Pure. */

import type { Condition } from "./k8s/api/condition.ts";
import type { ResourceState } from "./k8s/source.ts";
import type { AgentState } from "./publish/agents.ts";
import type { Position } from "./publish/publisher.ts";

/** The page. Nothing in it is secret: names, versions and times. */
export interface ControlStatus {
  /** The newest snapshot of this replica; replicas count apart, so versions compare within one epoch only. */
  readonly snapshot: Position;
  /** Whether this replica leads. */
  readonly leader: boolean;
  /** Agents that are or were connected to this replica. */
  readonly agents: readonly AgentState[];
  /** What is wrong with users' objects, at most MAX_CONDITIONS of them. */
  readonly conditions: readonly Condition[];
  /** How many there are in all. */
  readonly conditionCount: number;
  /** How each collection of the API is followed; none without an API. */
  readonly resources: readonly ResourceState[];
}

/** Conditions shown: a page stays small however much is wrong. */
const MAX_CONDITIONS = 200;

/** Makes the page from what the parts of control know. */
export function statusPage(parts: {
  readonly snapshot: Position;
  readonly leader: boolean;
  readonly agents: readonly AgentState[];
  readonly conditions: readonly Condition[];
  readonly resources: readonly ResourceState[];
}): ControlStatus {
  const { snapshot, leader, agents, conditions, resources } = parts;
  return {
    snapshot: { epoch: snapshot.epoch, version: snapshot.version },
    leader,
    agents,
    conditions: conditions.slice(0, MAX_CONDITIONS),
    conditionCount: conditions.length,
    resources,
  };
}
