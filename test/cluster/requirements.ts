/** What a cluster needs of whoever runs it, checked before anything is built. */

/** Throws with the next step unless this user id (of the process, unless given) is root's. */
export function checkRoot(uid: number | undefined = process.getuid?.()): void {
  if (uid !== 0) throw new Error("a test cluster needs root: run it with sudo");
}
