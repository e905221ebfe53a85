/** Which test file starts next: a pure decision. */

/** A file as far as that decision needs it. */
export interface Schedulable {
  readonly group: {
    readonly name: string;
    /** Files of the group at the same time. */
    readonly concurrency: number;
  };
}

/**
 * The first of the waiting files whose group has room beside those that run; undefined when none has, or when as many
 * run as may at all. With nothing running there is always one.
 */
export function nextFile<T extends Schedulable>(
  waiting: readonly T[],
  running: readonly Schedulable[],
  concurrency: number,
): T | undefined {
  if (running.length >= concurrency) return undefined;
  return waiting.find(({ group }) => {
    const beside = running.filter((other) => other.group.name === group.name);
    return beside.length < group.concurrency;
  });
}
