import type { Head } from "../../http/h1/head.ts";
import { printable } from "../../http/h1/lookup.ts";
import type { RequestLine } from "../record.ts";

/** What a request asks for, as text for the access log. */
export function requestLine(head: Head): RequestLine {
  return {
    method: printable(head.bytes, head.start, head.methodEnd),
    host: printable(head.bytes, head.authorityStart, head.authorityEnd),
    path: printable(head.bytes, head.pathStart, head.pathEnd) || "/",
  };
}
