/** The contestants of the bench: how each is started and where it is dialled. */
import type { Service } from "../harness/process.ts";
import { untilAnswers } from "../stage/namespaces.ts";
import type { ClientPod, Stage } from "../stage/stage.ts";

/** A contestant that is running. */
export interface RunningPeer extends AsyncDisposable {
  /** What the client dials for HTTP. */
  readonly http: string;
  /** What the client dials for bytes that nobody parses; undefined = this peer takes no part in that. */
  readonly tcp: string | undefined;
  /** The processes whose CPU and memory count; empty for "direct". Asked anew each time. */
  pids(): Promise<readonly number[]>;
  /** Replaces its processes by new ones that have carried nothing yet, and waits until they serve. */
  renew(): Promise<void>;
  /** Where its load generators run: the stage's client pod, or one of its own. */
  readonly stage: ClientPod;
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

/** Starts a sidecar process and waits until it answers on its HTTP port. One that does not is ended; then this rejects. */
export async function sidecarPeer(
  stage: Stage,
  argv: readonly string[],
  ports: SidecarPorts,
): Promise<RunningPeer> {
  const http = `127.0.0.1:${ports.http}`;
  const start = async (): Promise<Service> => {
    await using failed = new AsyncDisposableStack();
    const service = failed.use(stage.sidecar(argv));
    await untilAnswers(stage, http, service);
    failed.move(); // it answers: the peer owns it now
    return service;
  };
  let service = await start();
  return {
    stage,
    http,
    tcp: ports.tcp === undefined ? undefined : `127.0.0.1:${ports.tcp}`,
    pids: async () => [service.pid],
    renew: async () => {
      await service[Symbol.asyncDispose]();
      service = await start();
    },
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  };
}
