/** Runs in a pod of the echo image, given as text: URL RATE fresh|kept. One line of JSON a second, for ever. */
import { Agent, get } from "node:http";

const [url = "", rate = "", connections] = process.argv.slice(-3);
const agent = connections === "kept" ? new Agent({ keepAlive: true, maxSockets: 16 }) : false;
const TIMEOUT_MS = 5_000;

const fresh = () => ({ ok: 0, failed: 0, errors: {} as Record<string, number>, slowestMs: 0 });
let second = fresh();
/** When each request was sent of which nobody knows yet what comes of it, milliseconds since 1970; the oldest first. */
const open = new Map<object, number>();

function fail(why: string): void {
  second.failed++;
  second.errors[why] = (second.errors[why] ?? 0) + 1;
}

function ask(): void {
  const from = performance.now();
  let done = false;
  const once = (act: () => void): void => {
    if (!done) act();
    done = true;
    open.delete(once);
  };
  open.set(once, Date.now());
  const request = get(url, { agent, timeout: TIMEOUT_MS }, (response) => {
    const { statusCode, headers } = response;
    response.on("error", (error) => once(() => fail(error.message)));
    response.on("end", () =>
      once(() => {
        if (statusCode !== 200) return fail(`${statusCode} ${headers["x-nodemesh-reason"] ?? ""}`);
        second.ok++;
        second.slowestMs = Math.max(second.slowestMs, Math.round(performance.now() - from));
      }),
    );
    response.resume();
  });
  request.on("timeout", () => request.destroy(new Error("timeout")));
  request.on("error", (error: NodeJS.ErrnoException) =>
    once(() => fail(error.code ?? error.message)),
  );
}

let due = performance.now();
setInterval(() => {
  for (; due <= performance.now(); due += 1000 / Number(rate)) ask();
}, 2);
setInterval(() => {
  const [oldest] = open.values();
  process.stdout.write(`${JSON.stringify({ at: Date.now(), ...second, oldest })}\n`);
  second = fresh();
}, 1000);
process.on("SIGTERM", () => process.exit(0));
