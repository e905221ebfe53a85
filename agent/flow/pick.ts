import { hashText, NO_KEY } from "./balance/hash.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import type { PickRequest } from "./balance/pickers.ts";

/** A choice to be made, with the endpoints that were dialled for it: none of them is chosen again. */
export interface Pick extends PickRequest {
  readonly tried: LiveEndpoint[];
}

/** What the choice of an endpoint depends on for opaque connections: no header is known, only where they come from. */
export function pickRequestOfConnection(clientAddress: string): Pick {
  return { key: NO_KEY, client: hashText(clientAddress), tried: [] };
}
