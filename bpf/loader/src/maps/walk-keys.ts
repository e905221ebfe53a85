import type { KernelMap } from "./kernel-map.ts";

/**
 * Every key once, as bytes. The kernel gives "the key after this one" and starts over at the first when
 * that one was deleted meanwhile; keys already seen are then skipped, so a walk among deletes ends and
 * repeats nothing. Keys added meanwhile may be seen or not.
 */
export function* walkKeys(map: KernelMap): Generator<Uint8Array> {
  const { keySize } = map.definition;
  const seen = new Set<string>();
  let last: Uint8Array | undefined;
  while (step(map, last)) {
    const key = new Uint8Array(map.value.buffer, map.value.byteOffset, keySize).slice();
    last = key;
    const text = Buffer.from(key).toString("latin1");
    if (seen.has(text)) continue;
    seen.add(text);
    yield key;
  }
}

function step(map: KernelMap, from: Uint8Array | undefined): boolean {
  if (from !== undefined) new Uint8Array(map.key.buffer, map.key.byteOffset, from.length).set(from);
  return map.nextKey(from !== undefined);
}
