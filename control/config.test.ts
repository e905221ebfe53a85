import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { CommanderError } from "commander";
import { parseConfig, parseListen } from "./config.ts";

function parse(line: string): ReturnType<typeof parseConfig> {
  return parseConfig(line.split(" "));
}

/** The message with which a command line is refused; commander also writes it to standard error. */
function refusal(line: string): string {
  try {
    parse(line);
  } catch (cause) {
    assert.ok(cause instanceof CommanderError);
    assert.notEqual(cause.exitCode, 0);
    return cause.message;
  }
  return assert.fail(`${line} was taken`);
}

test("all flags are read", () => {
  const flags = "--manifests a b --listen unix:/run/c.sock --metrics :15020 --admin /run/a.sock";
  assert.deepEqual(parse(flags), {
    manifests: ["a", "b"],
    kubernetes: undefined,
    listen: { kind: "unix", path: "/run/c.sock" },
    metrics: { kind: "tcp", host: undefined, port: 15_020 },
    admin: "/run/a.sock",
  });
});

test("a cluster as the source has names that can all be given", () => {
  assert.deepEqual(parse("--kubernetes --listen :15010").kubernetes, {
    kubeconfig: undefined,
    namespace: "nodemesh",
    identity: hostname(),
    serviceName: "nodemesh-control",
  });
  const flags = "--kubeconfig /k --namespace mesh --identity pod-1 --service-name control";
  const { kubernetes, manifests } = parse(`--kubernetes --listen :15010 ${flags}`);
  assert.deepEqual(manifests, []);
  assert.deepEqual(kubernetes, {
    kubeconfig: "/k",
    namespace: "mesh",
    identity: "pod-1",
    serviceName: "control",
  });
});

test("one source, no more and no less", () => {
  assert.match(refusal("--listen :1"), /--kubernetes or --manifests/);
  assert.match(refusal("--kubernetes --manifests a --listen :1"), /cannot be used with/);
  assert.match(refusal("--manifests a --namespace mesh --listen :1"), /needs --kubernetes/);
  assert.match(refusal("--kubernetes --namespace A_B --listen :1"), /lower-case/);
});

test("addresses are strict", () => {
  assert.deepEqual(parseListen("[::1]:80"), { kind: "tcp", host: "::1", port: 80 });
  for (const bad of ["80", "host", "host:99999", "unix:relative", "::1:80", ""])
    assert.throws(() => parseListen(bad), /expected/, bad);
});
