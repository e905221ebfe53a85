/** A worker thread that starts and then answers nothing, but for `drain` (twice) and, unless it is number 0, `stop`. */

import { openSync } from "node:fs";
import { workerData } from "node:worker_threads";
import type { FromWorker, ToWorker, WorkerInit } from "../../agent/messages.ts";

const { port, index } = workerData as WorkerInit;

function tell(message: FromWorker): void {
  port.postMessage(message);
}

port.on("message", (message: ToWorker) => {
  if (message.kind !== "command") return;
  const { id, command } = message;
  if (command.kind === "drain") {
    tell({ kind: "answer", id, answer: { kind: "done" } });
    tell({ kind: "answer", id, answer: { kind: "failed", problem: "once more" } });
  }
  if (command.kind === "stop" && index > 0) port.close();
});
// Ringing it is of no consequence.
tell({ kind: "started", wakeFd: openSync("/dev/null", "w") });
