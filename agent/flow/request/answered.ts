/** What is noted of the answers that a client gets, one after the other. */

/** The answer to one request after the other: when it began, and what of it the client got. */
export class Answered {
  /** The status that the client got; 0 before. */
  status = 0;
  /** Of the body. */
  bytes = 0;
  /** From when an endpoint was asked last to its answer's head, milliseconds; undefined before. */
  headMs: number | undefined;
  #askedAt = 0;

  /** A request has come: nothing is answered. */
  begin(): void {
    this.status = 0;
    this.bytes = 0;
    this.headMs = undefined;
  }

  /** An endpoint is asked. `now`: the loop's clock, milliseconds. */
  asked(now: number): void {
    this.#askedAt = now;
  }

  /** The endpoint's answer begins, with the first bytes of its body. */
  head(status: number, bytes: number, now: number): void {
    this.refused(status, bytes);
    this.headMs = now - this.#askedAt;
  }

  /** The mesh itself answers. */
  refused(status: number, bytes: number): void {
    this.status = status;
    this.bytes = bytes;
  }
}
