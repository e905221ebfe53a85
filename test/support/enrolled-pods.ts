/** Pods as control's compilation gives them, for tests of what is told of their enrolment. */

import { DEFAULT_ENROLMENT } from "../../agent/model/enrolment.ts";
import type { Workload } from "../../agent/model/workload.ts";

/** Pods of namespace shop by uid. `words`: their names, with a plus behind who is enrolled. */
export function podsOf(words: string): ReadonlyMap<string, Workload> {
  const all = words.split(" ").map((word): Workload => {
    const name = word.replace("+", "");
    return {
      ...{ uid: `uid-${name}`, name, namespace: "shop", owner: name, serviceAccount: "" },
      ...{ node: "n1", addresses: [], ports: [] },
      ...(word.endsWith("+") ? { enrolment: DEFAULT_ENROLMENT } : {}),
    };
  });
  return new Map(all.map((workload) => [workload.uid, workload]));
}
