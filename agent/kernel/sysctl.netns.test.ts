import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { bindMount, detachMount } from "./namespace-calls.ts";
import {
  closeNetns,
  createNetns,
  deleteNetns,
  inNetns,
  localPortRange,
  openNetns,
  writeSysctl,
} from "./netns.ts";

const SETTING = "net/ipv4/fwmark_reflect";

test("another mount of the procfs writes the settings of the pod's namespace, and only those", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "nodemesh-sysctl-"));
  const path = join(directory, "netns");
  const proc = mkdtempSync(join(directory, "proc-"));
  bindMount("/proc", proc);
  createNetns(path);
  const netns = openNetns(path);
  t.after(() => {
    closeNetns(netns);
    deleteNetns(path);
    detachMount(proc);
    rmSync(directory, { recursive: true });
  });
  const read = (): string => readFileSync(`/proc/sys/${SETTING}`, "utf8").trim();
  const before = read();
  writeSysctl(netns, SETTING, before === "1" ? "0" : "1", proc);
  assert.notEqual(inNetns(netns, read), before);
  assert.equal(read(), before);
});

test("the range of local ports is the namespace's own", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "nodemesh-sysctl-"));
  const path = join(directory, "netns");
  createNetns(path);
  const netns = openNetns(path);
  t.after(() => {
    closeNetns(netns);
    deleteNetns(path);
    rmSync(directory, { recursive: true });
  });
  writeSysctl(netns, "net/ipv4/ip_local_port_range", "1024 65535");
  assert.deepEqual(localPortRange(netns), { first: 1024, last: 65_535 });
  writeSysctl(netns, "net/ipv4/ip_local_port_range", "40000 41999");
  assert.deepEqual(localPortRange(netns), { first: 40_000, last: 41_999 });
  const [first, last] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split("\t");
  assert.deepEqual(localPortRange(-1), { first: Number(first), last: Number(last) });
});
