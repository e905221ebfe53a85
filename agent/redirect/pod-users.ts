/** What the redirect needs of those who relay the connections that it catches. */

/** A pod whose connections arrive at the agent: what a data worker needs of it. */
export interface CaughtPod {
  readonly uid: string;
  /** Descriptor of the pod's network namespace, for sockets that the agent opens there. */
  readonly netns: number;
  /** The addresses it has in there: known here before the API knows them. */
  readonly addresses: readonly string[];
  /** Listening descriptors; worker number i accepts on element i. All belong to the redirect: don't close them. */
  readonly listeners: readonly number[];
}

/** Who relays the pods' connections: the data workers, behind app.ts. */
export interface PodUsers {
  /** Accept connections of this pod from now on. Resolves when every worker does. */
  added(pod: CaughtPod): Promise<void>;
  /** Accept them on these listeners, after what came to the former ones. Resolves when every worker does. */
  moved(pod: Pick<CaughtPod, "uid" | "listeners">): Promise<void>;
  /** Resolves when no relayed connection of the pod is left; rejects or never resolves after `signal`. */
  idle(uid: string, signal: AbortSignal): Promise<void>;
  /** Stop accepting and cut what is left. Resolves when no worker uses the pod's descriptors any more, within a bounded time. */
  removed(uid: string): Promise<void>;
}
