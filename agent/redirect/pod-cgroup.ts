/** Which pod a process belongs to, by what /proc/PID/cgroup says (cgroups(7)). Pure. */

/**
 * A pod's directory: `pod<uid>` of the cgroupfs driver, `kubepods-burstable-pod<uid with _>.slice` of the systemd
 * driver, which puts the names of all parents first: `kubelet-kubepods-…` below the cgroupRoot `/kubelet`, as in
 * kind. A runtime with the cgroupfs driver below a kubelet with the systemd driver takes kubelet's
 * `SLICE:cri-containerd:ID` for one name. A static pod has the hash of its manifest in the place of the uid: 32 hex
 * digits.
 */
const POD_DIRECTORY =
  /^(?:(?:.+-)?kubepods(?:-[a-z]+)?-)?pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice(?::.*)?)?$/;
/** Directories that hold pods, or hold such: `kubepods`, `kubelet-kubepods.slice`, `kubepods-burstable.slice`… */
const HOLDER = /^(?:(?:.+-)?kubepods(?:-[a-z]+)?(?:\.slice)?|burstable|besteffort)$/;
/** The outermost of them. */
const OUTERMOST_HOLDER = /^(?:.+-)?kubepods(?:\.slice)?$/;

/**
 * The uid in a directory's name, with dashes; undefined: not a pod's directory.
 * For a static pod it is what its annotation kubernetes.io/config.hash says.
 */
export function podUidOfDirectory(name: string): string | undefined {
  return POD_DIRECTORY.exec(name)?.[1]?.replaceAll("_", "-");
}

/** Whether a directory of that name holds pods, or directories that hold pods. */
export function holdsPods(name: string): boolean {
  return HOLDER.test(name);
}

/** Whether all pods of a node are below a directory of that name. */
export function holdsAllPods(name: string): boolean {
  return OUTERMOST_HOLDER.test(name);
}

/**
 * The pod that the text of a /proc/PID/cgroup names: v1 has a line for each controller, v2 one, hybrid both. The
 * outermost of a line counts: what is below a pod's directory is the pod's own to name, where it may write its cgroup.
 * `around` are pods that hold the whole node (podsAround()) and so say nothing. Lines that name different pods name none.
 * Seen from a private cgroup namespace the paths begin with `/../..`, which changes nothing.
 */
export function podUidOfCgroups(
  text: string,
  around: ReadonlySet<string> = new Set(),
): string | undefined {
  const named = new Set(podsOfLines(text).map((uids) => uids.find((uid) => !around.has(uid))));
  named.delete(undefined);
  const [uid] = named;
  return named.size === 1 ? uid : undefined;
}

/**
 * The pods of another cluster that the node itself runs in, as a test cluster in a pod does: those that the cgroups of
 * its first process name. That one is in no pod of this node.
 */
export function podsAround(text: string): ReadonlySet<string> {
  return new Set(podsOfLines(text).flat());
}

/** The pods that each line names, outermost first. */
function podsOfLines(text: string): string[][] {
  return text.split("\n").map((line) =>
    line
      .split("/")
      .slice(1)
      .map(podUidOfDirectory)
      .filter((uid) => uid !== undefined),
  );
}
