import type { Channel } from "../engine/channel.ts";

/** How two tied channels ended: both in their own way, or because nothing was sent for too long. */
export type TieEnd = "closed" | "idle";

/** What is told of two tied channels. */
export interface TieWatcher {
  /** Both have ended. */
  onEnd(end: TieEnd): void;
  /** The server spoke before the client did. The view lasts for the call only. */
  onServerFirst?: ((bytes: Uint8Array) => void) | undefined;
}

/** Ties two channels for good: bytes, half-closes and resets cross until both have ended. */
export type Tie = (client: Channel, server: Channel, watcher: TieWatcher) => void;
