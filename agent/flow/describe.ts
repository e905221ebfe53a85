import type { Plan } from "./plan.ts";

/** What the admin socket says of every connection. */
export function describePlan({ direction, destination, clientAddress }: Plan): {
  readonly direction: string;
  readonly client: string;
  readonly destination: string;
} {
  return {
    direction,
    client: clientAddress,
    destination: `${destination.address} ${destination.port}`,
  };
}
