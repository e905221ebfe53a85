import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig, parseListen } from "./config.ts";

test("all flags are read", () => {
  const flags = "--manifests a b --listen unix:/run/c.sock --metrics :15020 --admin /run/a.sock";
  assert.deepEqual(parseConfig(flags.split(" ")), {
    manifests: ["a", "b"],
    listen: { kind: "unix", path: "/run/c.sock" },
    metrics: { kind: "tcp", host: "::", port: 15_020 },
    admin: "/run/a.sock",
  });
});

test("addresses are strict", () => {
  assert.deepEqual(parseListen("[::1]:80"), { kind: "tcp", host: "::1", port: 80 });
  for (const bad of ["80", "host", "host:99999", "unix:relative", "::1:80", ""])
    assert.throws(() => parseListen(bad), /expected/, bad);
});
