import { type Refusal, refuse } from "#model/refusal.ts";
import type { Channel } from "../engine/channel.ts";

/** What is told of two tied channels. */
export interface TieWatcher {
  /** Both have ended: each in its own way, or as the mesh wanted it. */
  onEnd(why: Refusal | undefined): void;
  /** The server spoke before the client did. The view lasts for the call only. */
  onServerFirst?: ((bytes: Uint8Array) => void) | undefined;
}

/** Cuts what is tied; onEnd follows with the same reason. */
export type CutTie = (why?: Refusal) => void;

/** Ties two channels for good: bytes, half-closes and resets cross until both have ended. */
export type Tie = (client: Channel, server: Channel, watcher: TieWatcher) => CutTie;

/** Nothing was sent for longer than the idle time-out. */
export function idleRefusal(): Refusal {
  return refuse("idle-timeout", "nothing was sent either way");
}
