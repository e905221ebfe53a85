/**
 * Courses that several connections of a pod share. What is decided about a connection to a service depends on
 * the two addresses, the port and the snapshot, so the next connection like it needs no second decision.
 */

import type { Course } from "./course.ts";
import type { HostPort } from "./identify.ts";

/** Courses kept of one destination address, and destinations: more are decided anew each time. */
const MAX_PER_ADDRESS = 32;
const MAX_ADDRESSES = 1024;

/** The courses of one pod, under one revision of the directory. */
export class CourseMemory {
  readonly #courses: Map<string, Course[]> = new Map();
  #revision = -1;

  /** The course of an earlier connection from and to the same addresses under this revision. */
  find(revision: number, client: string, { address, port }: HostPort): Course | undefined {
    if (revision !== this.#revision) return undefined;
    const courses = this.#courses.get(address);
    if (courses === undefined) return undefined;
    for (const course of courses)
      if (course.plan.destination.port === port && course.plan.clientAddress === client)
        return course;
    return undefined;
  }

  /** Remembers a course, when others may share it: a fixed next hop carries counts of its own connection. */
  keep(course: Course): void {
    if (course.plan.nextHop.kind !== "balanced") return;
    if (course.revision !== this.#revision) this.#courses.clear();
    this.#revision = course.revision;
    const { address } = course.plan.destination;
    const courses = this.#courses.get(address);
    if (courses !== undefined && courses.length < MAX_PER_ADDRESS) courses.push(course);
    else if (courses === undefined && this.#courses.size < MAX_ADDRESSES)
      this.#courses.set(address, [course]);
  }
}
