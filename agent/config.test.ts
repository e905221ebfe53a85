import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "./config.ts";

const LEAST = ["--node", "n1", "--control", "nodemesh-control.nodemesh.svc:15010"];
const TLS = ["--control-ca", "/r/ca.crt", "--control-token", "/r/token", "--control-name", "c.svc"];

/** The first message that commander throws for these flags. */
function refusal(argv: readonly string[]): string {
  const { write } = process.stderr;
  process.stderr.write = () => true;
  try {
    parseConfig(argv);
  } catch (error) {
    return String(error);
  } finally {
    process.stderr.write = write;
  }
  return "accepted";
}

test("on a node of a cluster the flags that must be given are the node's name and control's address", () => {
  const config = parseConfig(LEAST);
  assert.deepEqual(config.pods, { kind: "kubernetes" });
  assert.equal(config.cgroup, "auto");
  assert.equal(config.proc, "/proc");
  assert.equal(config.controlTls, undefined);
  assert.deepEqual(config.control, {
    kind: "tcp",
    host: "nodemesh-control.nodemesh.svc",
    port: 15010,
  });
});

test("pages are shown on all addresses, without naming a family that the node may lack", () => {
  assert.deepEqual(parseConfig(LEAST).metrics, { host: undefined, port: 15020 });
  assert.deepEqual(parseConfig([...LEAST, "--metrics", ":80"]).metrics, {
    host: undefined,
    port: 80,
  });
  assert.deepEqual(parseConfig([...LEAST, "--metrics", "[::1]:80"]).metrics, {
    host: "::1",
    port: 80,
  });
  assert.match(refusal(["--node", "n1", "--control", ":15010"]), /control has a host/);
});

test("a directory of namespaces makes it the simulator's agent", () => {
  const { pods } = parseConfig([...LEAST, "--pod-netns-dir", "/run/pods"]);
  assert.deepEqual(pods, { kind: "directory", directory: "/run/pods" });
});

test("nothing that both ends keep open is cut by default; who wants that says so", () => {
  const { timeouts } = parseConfig(LEAST);
  assert.deepEqual([timeouts.idleMs, timeouts.responseHeadMs], [0, 0]);
  const said = parseConfig([...LEAST, "--idle-timeout-ms", "1000"]);
  assert.equal(said.timeouts.idleMs, 1000);
});

test("TLS to control takes its three flags together", () => {
  assert.deepEqual(parseConfig([...LEAST, ...TLS]).controlTls, {
    caFile: "/r/ca.crt",
    tokenFile: "/r/token",
    serverName: "c.svc",
  });
  for (const left of [0, 2, 4])
    assert.match(
      refusal([...LEAST, ...TLS.toSpliced(left, 2)]),
      /--control-ca, --control-token and --control-name belong together/,
    );
});

test("buffers of all workers together take half of the memory that there is", () => {
  const buffers = (...flags: readonly string[]) => {
    const { limits, workers } = parseConfig([...LEAST, ...flags]);
    return limits.maxBufferedBytes * workers;
  };
  assert.equal(buffers(), 512 << 20);
  assert.equal(buffers("--workers", "4"), 512 << 20);
  const limit = ["--memory-limit-bytes", String(256 << 20)];
  assert.equal(buffers(...limit), 128 << 20);
  assert.equal(buffers(...limit, "--workers", "4"), 128 << 20);
  assert.equal(buffers(...limit, "--max-buffered-bytes", String(2 << 20)), 2 << 20);
});

test("traces go nowhere unless a collector is named, and an empty name is none", () => {
  const trace = (...flags: readonly string[]) => parseConfig([...LEAST, ...flags]).trace;
  assert.deepEqual(trace(), { endpoint: undefined, share: 0 });
  assert.equal(trace("--trace-endpoint=").endpoint, undefined);
  assert.deepEqual(trace("--trace-endpoint", "grpc://otel:4317", "--trace", "0.1"), {
    endpoint: { protocol: "grpc", url: "http://otel:4317" },
    share: 0.1,
  });
  assert.match(refusal([...LEAST, "--trace-endpoint", "otel:4317"]), /grpc\(s\):\/\/HOST:PORT/);
});
