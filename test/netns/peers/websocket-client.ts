/** Runs inside a pod: Node's own WebSocket client talks to an echo; what it saw goes to stdout as JSON. */

import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";

/** What the client saw, in order of events. */
export interface WebSocketReport {
  readonly protocol: string;
  readonly text: string;
  readonly binaryBytes: number;
  /** Hashes of what was sent and what came back. */
  readonly binarySent: string;
  readonly binaryEchoed: string;
  readonly closed: { readonly code: number; readonly reason: string; readonly clean: boolean };
}

const BINARY_BYTES = 1 << 20;

const [, , url = "", whoCloses = ""] = process.argv;
const socket = new WebSocket(url, ["chat"]);
socket.binaryType = "arraybuffer";
await Promise.race([
  once(socket, "open"),
  once(socket, "error").then(([event]) => {
    throw new Error(`cannot open ${url}: ${(event as ErrorEvent).message}`);
  }),
]);

const text = await echoOf("grüße");
const sent = randomBytes(BINARY_BYTES);
const echoed = await echoOf(sent);
const closing = once(socket, "close");
if (whoCloses === "server") socket.send("close 4001");
else socket.close(4000, "client says so");
const [closed] = (await closing) as [CloseEvent];
const report: WebSocketReport = {
  protocol: socket.protocol,
  text: String(text),
  binaryBytes: echoed instanceof ArrayBuffer ? echoed.byteLength : -1,
  binarySent: sha256(sent),
  binaryEchoed: echoed instanceof ArrayBuffer ? sha256(new Uint8Array(echoed)) : "not binary",
  closed: { code: closed.code, reason: closed.reason, clean: closed.wasClean },
};
process.stdout.write(`${JSON.stringify(report)}\n`);

async function echoOf(message: string | Uint8Array<ArrayBuffer>): Promise<unknown> {
  const answer = once(socket, "message");
  socket.send(message);
  const [event] = (await answer) as [MessageEvent];
  return event.data;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
