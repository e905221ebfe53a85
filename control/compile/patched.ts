/** Maps that mostly stay as they are: copying one and mending it is some ten times cheaper than building it. */

/**
 * The map `old` with `fresh` entries set and without keys that `keep` has not. `old` itself when that
 * changes nothing. Every key of `keep` must be in `old` or `fresh`.
 */
export function patched<V>(
  old: ReadonlyMap<string, V>,
  fresh: readonly (readonly [string, V])[],
  keep: { readonly size: number; has(key: string): boolean },
): ReadonlyMap<string, V> {
  if (fresh.length === 0 && old.size === keep.size) return old;
  const made = new Map(old);
  for (const [key, value] of fresh) made.set(key, value);
  if (made.size > keep.size) for (const key of old.keys()) if (!keep.has(key)) made.delete(key);
  return made;
}
