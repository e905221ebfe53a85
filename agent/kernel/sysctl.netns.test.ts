import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { bindMount, detachMount } from "./namespace-calls.ts";
import { closeNetns, createNetns, deleteNetns, inNetns, openNetns, writeSysctl } from "./netns.ts";

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
