/**
 * A command in a container, by the API server's `exec` and with the caller's rights: over a WebSocket whose binary
 * messages begin with the number of their channel.
 */

import type { WebSocket } from "undici";
import { type ClusterApi, failureText, listField, textField } from "./cluster.ts";

/** Where to run it. */
export interface Place {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** What came of it. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The best one first: the API server translates v5 for the container's runtime, and passes v4 on. */
const PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
const OUT = 1;
const ERR = 2;
const STATUS = 3;
/** An answer of the agent takes milliseconds, the start of a process in a busy container seconds. */
const TIMEOUT_MS = 30_000;

/** Runs it and waits for its end. Rejects with an Error for the operator when it could not be run. */
export async function execInPod(
  api: ClusterApi,
  { namespace, pod, container }: Place,
  command: readonly string[],
): Promise<Ran> {
  const query = new URLSearchParams([
    ["container", container],
    ["stdout", "true"],
    ["stderr", "true"],
    ...command.map((word) => ["command", word]),
  ]);
  const path = `/api/v1/namespaces/${namespace}/pods/${pod}/exec?${query}`;
  const said = await listen(await api.open(path, PROTOCOLS));
  if (said !== undefined && said.status !== "") return ranOf(said);
  // A WebSocket does not say why it did not come about; the same question without one does.
  const answer = await api.get(path);
  const what = `exec into pod ${pod} in namespace ${namespace}`;
  const explained =
    answer.kind === "away" ||
    (answer.kind === "refused" && [401, 403, 404].includes(answer.status));
  if (explained) throw new Error(failureText(what, api, answer));
  throw new Error(`${what}: the connection broke before it ended; does kubectl exec work there?`);
}

interface Said {
  readonly out: string;
  readonly err: string;
  /** A `Status` of the API; empty: it never came. */
  readonly status: string;
}

/** All that comes, by channel; undefined when no connection came about. */
async function listen(socket: WebSocket): Promise<Said | undefined> {
  const { promise, resolve } = Promise.withResolvers<Said | undefined>();
  const parts = new Map<number, Buffer[]>([
    [OUT, []],
    [ERR, []],
    [STATUS, []],
  ]);
  const text = (channel: number): string =>
    Buffer.concat(parts.get(channel) ?? []).toString("utf8");
  let opened = false;
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => {
    opened = true;
  });
  socket.addEventListener("message", ({ data }) => {
    if (!(data instanceof ArrayBuffer)) return;
    const bytes = Buffer.from(data);
    parts.get(bytes[0] ?? 0)?.push(bytes.subarray(1));
  });
  const end = (): void =>
    resolve(opened ? { out: text(OUT), err: text(ERR), status: text(STATUS) } : undefined);
  socket.addEventListener("close", end);
  socket.addEventListener("error", end);
  const timer = setTimeout(() => {
    end();
    socket.close();
  }, TIMEOUT_MS);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** The exit code is a cause of the failure; without one the runtime could not start the command. */
function ranOf({ out, err, status }: Said): Ran {
  const said: unknown = JSON.parse(status);
  if (textField(said, "status") === "Success") return { code: 0, out, err };
  const code = listField(said, "details", "causes").find(
    (cause) => textField(cause, "reason") === "ExitCode",
  );
  if (code === undefined) throw new Error(`exec: ${textField(said, "message") || status}`);
  return { code: Number(textField(code, "message")), out, err };
}
