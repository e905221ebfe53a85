import type { Channel } from "../engine/channel.ts";

/** How two tied channels ended: both in their own way, or because nothing was sent for too long. */
export type TieEnd = "closed" | "idle";

/** Ties two channels for good: bytes, half-closes and resets cross until both have ended. */
export type Tie = (client: Channel, server: Channel, onEnd: (end: TieEnd) => void) => void;
