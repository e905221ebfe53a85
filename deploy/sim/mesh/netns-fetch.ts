/** HTTP GET from inside a network namespace, for readiness and metrics of the mesh's own processes. */

import { once } from "node:events";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import { connectInNetns } from "../net/connect.ts";

/** Longer than a scrape takes, short enough for `sim status`. */
const TIMEOUT_MS = 2_000;

/** What to get. */
export interface NetnsUrl {
  /** File of the namespace. */
  readonly netns: string;
  readonly ip: string;
  readonly port: number;
  readonly path: string;
}

/** The answer, or undefined when there is none in time. */
export async function fetchInNetns(
  url: NetnsUrl,
): Promise<{ readonly status: number; readonly body: string } | undefined> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const socket = connectInNetns(url.netns, { host: url.ip, port: url.port });
  try {
    const asked = request({ createConnection: () => socket, path: url.path, signal });
    asked.end();
    const [answer] = await once(asked, "response", { signal });
    return { status: answer.statusCode, body: await text(answer) };
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
