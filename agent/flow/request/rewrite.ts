import { NO_LINES, type Rewrite } from "../../http/h1/write-head.ts";

/** One object for all heads of a worker: written and read within one call. */
const REWRITE: Rewrite = { connection: "none", extra: NO_LINES };

/** How a head changes on its way: the shared object, valid until the next call. */
export function rewrite(connection: Rewrite["connection"]): Rewrite {
  REWRITE.connection = connection;
  return REWRITE;
}
