/** Many questions to the API server, without all of them at once. */

/** Questions under way at the same time. */
const PARALLEL = 16;

/** Runs `work` for each item, a few at the same time; answers in the items' order. */
export async function mapSome<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const queue = items.entries();
  const results = new Map<number, R>();
  const workers = Array.from({ length: PARALLEL }, async () => {
    for (const [i, item] of queue) results.set(i, await work(item));
  });
  await Promise.all(workers);
  return [...results].sort(([a], [b]) => a - b).map(([, result]) => result);
}
