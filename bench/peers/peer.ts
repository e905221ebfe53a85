/** The contestants of the bench: how each is started and where it is dialled. */
import type { Service } from "../harness/process.ts";
import { untilAnswers } from "../stage/namespaces.ts";
import type { Stage } from "../stage/stage.ts";

/** A contestant that is running. */
export interface RunningPeer extends AsyncDisposable {
  /** What the client dials for HTTP. */
  readonly http: string;
  /** What the client dials for bytes that nobody parses; undefined = this peer takes no part in that. */
  readonly tcp: string | undefined;
  /** The processes whose CPU and memory count; empty for "direct". Asked anew each time. */
  pids(): readonly number[];
  /** Where its load generators run: the stage's client pod, or one of its own. */
  readonly stage: Stage;
  /** A pod that can be enrolled and un-enrolled while it runs, where the contestant knows such a thing. */
  readonly enrolment?: { readonly stage: Stage; set(enabled: boolean): Promise<void> };
}

/** A contestant. */
export interface Peer {
  readonly name: string;
  /** `folder` is a temporary directory of its own for configuration files. */
  start(stage: Stage, folder: string): Promise<RunningPeer>;
}

/** Loopback ports of a sidecar. */
interface SidecarPorts {
  readonly http: number;
  readonly tcp: number | undefined;
}

/** A single sidecar process, once it answers on its HTTP port. One that does not is ended; then this rejects. */
export async function answering(
  stage: Stage,
  service: Service,
  ports: SidecarPorts,
): Promise<RunningPeer> {
  const peer = sidecarPeer(stage, service, ports);
  try {
    await untilAnswers(stage, peer.http, service);
  } catch (error) {
    await peer[Symbol.asyncDispose]();
    throw error;
  }
  return peer;
}

function sidecarPeer(stage: Stage, service: Service, ports: SidecarPorts): RunningPeer {
  return {
    stage,
    http: `127.0.0.1:${ports.http}`,
    tcp: ports.tcp === undefined ? undefined : `127.0.0.1:${ports.tcp}`,
    pids: () => [service.pid],
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}
