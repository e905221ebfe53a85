/** What an exchange sees of the client connection it serves, without its inside. */

import type { Refusal } from "#model/refusal.ts";
import type { Channel } from "../../engine/channel.ts";
import type { AnswerHead, ClientStream, Piece } from "../../http/message.ts";
import type { Holder } from "../../transport/held-bytes.ts";
import type { Course } from "../course.ts";
import type { LocalPod } from "../pod.ts";
import type { Untold } from "./facts.ts";
import type { Link } from "./link.ts";

/** The client's side of an exchange: its stream, with what the story needs to know about its connection. */
export interface Client extends ClientStream {
  readonly pod: LocalPod;
  readonly course: Course;
  readonly link: Link;
  /** The bytes of its connection. */
  readonly untold: Untold;
  /** Counts what is held of its requests. */
  readonly holder: Holder;
  /** Answers in the mesh's own words; end() follows. Returns the bytes of its body. */
  refuse(status: number, refusal: Refusal): number;
  /** The client that is gone has nothing more to deliver. */
  left(): void;
  /** Ties the client's connection to `carrier`; untied() is called once both have ended. */
  tie(head: AnswerHead, piece: Piece, carrier: Channel): void;
}
