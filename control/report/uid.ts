/** Finds the uid of an object that the world knows. */

import type { ObjectRef } from "../k8s/api/schema.ts";
import { type World, worldKey } from "../world.ts";

/** The uid that the object has in this world; undefined when it is not there. */
export function uidIn(world: World, ref: ObjectRef): string | undefined {
  const key = worldKey(ref);
  for (const objects of Object.values(world)) {
    const found = objects.get(key);
    if (found?.kind === ref.kind) return found.metadata.uid;
  }
  return undefined;
}
