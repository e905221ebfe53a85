/** nodemesh itself: the simulator's agent, its client in the enrolled pod, dialling Services. */
import type { SimulatorStage } from "../stage/simulator.ts";
import type { RunningPeer } from "./peer.ts";

/** The contestant that the budgets are about. */
export function nodemeshPeer(simulator: SimulatorStage): RunningPeer {
  return {
    stage: simulator.meshed,
    http: simulator.meshed.direct,
    tcp: simulator.opaque,
    pids: () => simulator.agentPids(),
    renew: () => simulator.freshAgent(),
    enrolment: { stage: simulator.fresh, set: (enabled) => simulator.enrolFresh(enabled) },
    async [Symbol.asyncDispose]() {
      // the agent belongs to the simulator, which is taken down as a whole
    },
  };
}
