/** Which port a plan is about, when something else than it declares is spoken there. Pure. */

import type { MisdeclaredPort, Misspoken } from "#model/misdeclared.ts";
import { serviceKey } from "#model/service.ts";
import type { Plan } from "./plan.ts";
import type { SpokenFirst } from "./spoken.ts";

/** How control is told what was spoken; undefined where HTTP was, or may yet be. */
export function misspoken(spoken: SpokenFirst): Misspoken | undefined {
  switch (spoken) {
    case "http2-preface":
      return "http2";
    case "tls":
    case "proxy":
    case "other":
      return spoken;
    case "http":
    case "undecided":
      return undefined;
  }
}

/** The port that declares what the plan was made by; undefined when nothing declares it. */
export function misdeclaredPort(
  { nextHop, destination: { port } }: Plan,
  spoken: Misspoken,
): MisdeclaredPort | undefined {
  if (nextHop.kind === "balanced") {
    const { service, port: declaring } = nextHop.entry;
    return { kind: "service", service: serviceKey(service), port: declaring.port, spoken };
  }
  if (nextHop.workload === undefined) return undefined;
  return { kind: "pod", pod: nextHop.workload.uid, port, spoken };
}
