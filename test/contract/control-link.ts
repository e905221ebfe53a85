/**
 * Support for the contract between control and agent: the real publisher and server on one side, the real
 * store and follower on the other, in one process over a real socket.
 */

import type { AddressInfo } from "node:net";
import type { MisdeclaredPort } from "#model/misdeclared.ts";
import type { Snapshot, SnapshotParts } from "#model/snapshot.ts";
import { connectCleartext } from "../../agent/state/session.ts";
import { SnapshotStore } from "../../agent/state/store.ts";
import { type FollowOptions, followControl, type StreamStatus } from "../../agent/state/stream.ts";
import { AgentRegistry } from "../../control/publish/agents.ts";
import { Publisher } from "../../control/publish/publisher.ts";
import { PublishServer } from "../../control/publish/server.ts";

/** Waits for something to hold, looking again whenever somebody calls `changed`. */
export class Witness {
  #wake: () => void = () => {};

  /** Something may have changed. */
  changed(): void {
    this.#wake();
  }

  /** Resolves when the condition holds; rejects after five seconds, saying what was waited for. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(5000);
    while (!holds()) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#wake = resolve;
      deadline.addEventListener("abort", () => reject(new Error(`waited in vain for ${what}`)));
      await promise;
    }
  }
}

/** A control that can be published to. */
export interface TestControl extends AsyncDisposable {
  readonly publisher: Publisher;
  readonly agents: AgentRegistry;
  /** Every list of misdeclared ports that came. */
  readonly misdeclared: (readonly MisdeclaredPort[])[];
  readonly port: number;
}

/** Starts control's server half. `port` 0 = any; `publisher`: another one than of the product's table. */
export async function startControl(
  epoch: string,
  witness: Witness,
  port: number = 0,
  publisher: Publisher = new Publisher(epoch),
): Promise<TestControl> {
  const agents = new AgentRegistry(() => new Date());
  const misdeclared: (readonly MisdeclaredPort[])[] = [];
  const options = {
    ...{ publisher, agents, pingMs: 200, onAck: () => witness.changed() },
    onMisdeclared: (_node: string, ports: readonly MisdeclaredPort[]) => {
      misdeclared.push(ports);
      witness.changed();
    },
  };
  const server = new PublishServer(options);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.server.listen(port, "127.0.0.1", resolve);
  await promise;
  // A TCP server's address is never a text.
  const address = server.server.address() as AddressInfo;
  return {
    publisher,
    agents,
    misdeclared,
    port: address.port,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** An agent's half that follows. */
export interface TestAgent extends AsyncDisposable {
  readonly store: SnapshotStore;
  readonly statuses: StreamStatus[];
}

/** Starts following. `over` replaces parts, for example `enforce`. */
export function startAgent(
  port: number,
  witness: Witness,
  over: Partial<FollowOptions> = {},
): TestAgent {
  const abort = new AbortController();
  const statuses: StreamStatus[] = [];
  const store = over.store ?? new SnapshotStore(Date.now);
  const following = followControl({
    connect: () => connectCleartext({ kind: "tcp", host: "127.0.0.1", port }),
    node: "n1",
    enforce: () => Promise.resolve(),
    signal: abort.signal,
    random: () => 0,
    pingMs: 200,
    ...over,
    store,
    onStatus: (status) => {
      statuses.push(status);
      witness.changed();
    },
  });
  return {
    store,
    statuses,
    async [Symbol.asyncDispose]() {
      abort.abort();
      await following;
    },
  };
}

/** Snapshot parts with pods of these names, each new object unless taken from `before`. */
export function partsOf(
  names: readonly string[],
  before?: Pick<Snapshot, "workloads">,
): SnapshotParts {
  const workloads = names.map((uid) => {
    const known = before?.workloads.get(uid);
    const fresh = {
      uid,
      name: uid,
      namespace: "shop",
      owner: uid,
      serviceAccount: "default",
      node: "n1",
      addresses: ["10.0.0.1"],
      ports: [],
    };
    return [uid, known ?? fresh] as const;
  });
  return { workloads: new Map(workloads), services: new Map() };
}
