/** Load that tells of each of its requests how it went, so that what the mesh says of them can be checked. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestCluster } from "./cluster.ts";
import type { Metered } from "./figures.ts";

/** What a meter asks for. */
export interface MeterWork {
  /** Asked for one after the other, again and again; a leading "!" leaves the Host out. */
  readonly paths: readonly string[];
  /** Requests a second. */
  readonly rate: number;
  readonly seconds: number;
}

/** Who asks whom, by what names the mesh counts it. */
export type MeterOf = Pick<Metered, "namespace" | "client" | "enrolled" | "server" | "service">;

const SCRIPT = readFileSync(join(import.meta.dirname, "meter-main.ts"), "utf8");

/** Runs one in a pod of the echo image, which has the client's name, to its end. */
export async function meter(
  cluster: TestCluster,
  of: MeterOf,
  work: MeterWork,
): Promise<readonly Metered[]> {
  const { client, namespace, service } = of;
  const words = meterWords("/nodemesh/node", `http://${service}`, work);
  return metered(of, await cluster.exec(`pod/${client}`, namespace, ...words));
}

/** The words that run a meter by a Node; what it prints is for metered(). */
export function meterWords(node: string, origin: string, work: MeterWork): readonly string[] {
  const asked = JSON.stringify({ origin, ...work });
  return [node, "--input-type=module-typescript", "-e", SCRIPT, "--", asked];
}

/** What a meter has said, with the names that the mesh counts it by. */
export function metered(of: MeterOf, said: string): readonly Metered[] {
  const requests = JSON.parse(said) as readonly (readonly [number, number, number, number])[];
  return requests.map(([endedMs, durationMs, code, bytes]) => ({
    ...of,
    ...{ endedMs, durationMs, code, bytes },
  }));
}
