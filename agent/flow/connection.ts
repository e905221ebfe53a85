/** The story of a connection: accept → identify → authorize → look → plan → carry → record. */

import { type Refusal, refuse } from "#model/refusal.ts";
import type { Channel } from "../engine/channel.ts";
import { HeldBytes } from "../transport/held-bytes.ts";
import { authorize } from "./authorize.ts";
import type { EndpointSet } from "./balance/endpoint-set.ts";
import { ByteCount } from "./byte-count.ts";
import { closedRefusal } from "./closed-refusal.ts";
import type { Course } from "./course.ts";
import { isHttpAnswer, type ServerFirstMemory } from "./detect.ts";
import type { Directory } from "./directory.ts";
import { type Caught, identify } from "./identify.ts";
import { Look, type Seen } from "./look.ts";
import { OpaqueConnection } from "./opaque.ts";
import { type Plan, plan } from "./plan.ts";
import type { Connection, LocalPod } from "./pod.ts";
import type { Turned } from "./record.ts";
import type { HttpContext } from "./request/context.ts";
import { HttpSession } from "./request/session.ts";
import type { SessionStory } from "./request/session-state.ts";
import { balancedTarget, dualTarget, fixedTarget } from "./target.ts";

/** What all connections of a worker share. */
export interface FlowContext extends HttpContext {
  readonly directory: Directory<EndpointSet>;
  readonly serverFirst: ServerFirstMemory;
  readonly maxConnections: number;
  readonly maxConnectionsPerPod: number;
}

/** Takes over a freshly accepted channel: sets its handler, or resets it. */
export function handleConnection(
  context: FlowContext,
  pod: LocalPod,
  channel: Channel,
  caught: Caught,
): void {
  const course = admit(context, pod, caught);
  if ("kind" in course) {
    context.recorder.refused(turned(context, caught, course));
    channel.reset();
    return;
  }
  carry(new Admitted(context, { pod, channel, caught, course }));
}

/** A connection that has its permit. One object for each, without closures: most live for one request. */
class Admitted implements SessionStory {
  readonly context: FlowContext;
  readonly pod: LocalPod;
  readonly channel: Channel;
  readonly caught: Caught;
  readonly course: Course;

  constructor(
    context: FlowContext,
    { pod, channel, caught, course }: Pick<Admitted, "pod" | "channel" | "caught" | "course">,
  ) {
    this.context = context;
    this.pod = pod;
    this.channel = channel;
    this.caught = caught;
    this.course = course;
  }

  /** A fixed next hop is kept: its one endpoint carries the counts of what is in flight. */
  correct(course: Course): Course | Refusal {
    const { context, pod, caught } = this;
    if (course.revision === context.directory.revision) return course;
    const fresh = knownCourse(context, pod, caught);
    if ("kind" in fresh || fresh.plan.nextHop.kind === "balanced") return fresh;
    return course.plan.nextHop.kind === "fixed" ? { ...fresh, target: course.target } : fresh;
  }

  ended(session: Connection): void {
    this.pod.release(session);
  }

  notHttp(session: Connection, bytes: Uint8Array): void {
    const held = new HeldBytes(this.channel);
    held.append(bytes, 0, bytes.length);
    carryOpaque(this, { first: held });
    this.pod.release(session);
  }
}

function admit(context: FlowContext, pod: LocalPod, caught: Caught): Course | Refusal {
  if (pod.carried.size >= context.maxConnectionsPerPod)
    return refuse("connection-limit", `${pod.carried.size} connections of pod ${pod.uid}`);
  if (pod.worker.carried >= context.maxConnections)
    return refuse("connection-limit", `${pod.worker.carried} connections of all pods`);
  return knownCourse(context, pod, caught);
}

function knownCourse(context: FlowContext, pod: LocalPod, caught: Caught): Course | Refusal {
  const { client, destination } = caught;
  const { revision } = context.directory;
  const known = pod.courses.find(revision, client.address, destination);
  if (known !== undefined) return known;
  const course = courseOf(context, caught);
  if (!("kind" in course)) pod.courses.keep(course);
  return course;
}

function courseOf(context: FlowContext, caught: Caught): Course | Refusal {
  const { directory } = context;
  if (directory.revision === 0)
    return refuse("no-policy-data", "no snapshot was received from control yet");
  const identified = identify(caught, directory);
  if (identified.kind === "refusal") return identified;
  const permit = authorize(identified, directory.revision > 0);
  if ("kind" in permit) return permit;
  const planned = plan(permit);
  const target = targetOf(context, planned);
  return { permit, plan: planned, target, revision: directory.revision };
}

function targetOf(context: FlowContext, { nextHop, destination }: Plan): Course["target"] {
  if (nextHop.kind === "fixed") return fixedTarget(nextHop.address);
  const entry = context.directory.service(destination.address, destination.port);
  // plan() has just seen the service under the same revision.
  if (entry === undefined) throw new Error(`service port ${destination.port} vanished`);
  const other = context.directory.otherFamily(destination.address, destination.port);
  return other === undefined ? balancedTarget(entry.state) : dualTarget(entry.state, other.state);
}

function carry(admitted: Admitted): void {
  const { context, course } = admitted;
  const { understanding, destination } = course.plan;
  if (understanding === "http") carryHttp(admitted, undefined);
  else if (understanding === "opaque") carryOpaque(admitted, {});
  else {
    const key = `${destination.address} ${destination.port}`;
    if (context.serverFirst.knows(key, context.now())) carryOpaque(admitted, {});
    else lookFirst(admitted, key);
  }
}

/** While it is looked at, the connection counts as carried: it can be cut and listed like any other. */
function lookFirst(admitted: Admitted, key: string): void {
  const { context, pod, channel, course } = admitted;
  const look = new Look(channel, context.timers, course, (seen: Seen) => {
    if (seen.kind === "gone")
      context.recorder
        .connection(course.plan, undefined, "bytes")
        .closed(closedRefusal("client", seen.cause));
    else if (seen.kind === "silent") {
      // Silence alone proves nothing: a probe connects and leaves, a browser connects ahead of its request.
      const onServerFirst = (bytes: Uint8Array): void => {
        if (!isHttpAnswer(bytes)) context.serverFirst.learn(key, context.now());
      };
      carryOpaque(admitted, { onServerFirst });
    } else if (seen.kind === "http") carryHttp(admitted, seen.bytes);
    else carryOpaque(admitted, { first: seen.bytes });
    pod.release(look);
  });
  pod.carry(look);
}

function carryHttp(admitted: Admitted, first: HeldBytes | undefined): void {
  const { context, pod, channel, course } = admitted;
  const count = new ByteCount(channel, context.recorder.connection(course.plan, undefined, "http"));
  const session = new HttpSession(context, { channel, pod, count, course, story: admitted });
  pod.carry(session);
  channel.handler = session;
  if (first === undefined) return;
  session.onData(channel, first.bytes, 0, first.length);
  first.clear();
}

function carryOpaque(
  admitted: Admitted,
  { first, onServerFirst }: { first?: HeldBytes; onServerFirst?: (bytes: Uint8Array) => void },
): void {
  const { context, pod, channel, course } = admitted;
  const connection = new OpaqueConnection(context, {
    channel,
    pod,
    course,
    first,
    onServerFirst,
    ended: (ended) => pod.release(ended),
  });
  if (!connection.over) pod.carry(connection);
}

/** What is told of a connection that is turned away, as far as it is known who it is. */
function turned({ directory }: FlowContext, caught: Caught, refusal: Refusal): Turned {
  const { pod, destination } = caught;
  const identified = identify(caught, directory);
  const inbound = directory.workload(pod)?.addresses.includes(destination.address) === true;
  return {
    reporter: inbound ? "destination" : "source",
    refusal,
    identified: identified.kind === "refusal" ? undefined : identified,
  };
}
