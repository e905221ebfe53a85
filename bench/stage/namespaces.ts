/**
 * A stage of network namespaces made by the bench itself: a hub with a bridge, a client pod and three
 * backend pods on veth pairs, the shape of a node of the simulator. For peers and "direct" only.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addAddress } from "../../agent/kernel/addresses.ts";
import { createBridge, createVeth, setLink } from "../../agent/kernel/links.ts";
import { openNetlink } from "../../agent/kernel/netlink.ts";
import { closeNetns, createNetns, deleteNetns, openNetns } from "../../agent/kernel/netns.ts";
import { runProgram, type Service, startService, until } from "../harness/process.ts";
import { BACKEND_PORT, writeBackend } from "./backend.ts";
import type { Stage } from "./stage.ts";

const FOLDER = "/run/nodemesh-bench";
const HUB = join(FOLDER, "hub");
const CLIENT = join(FOLDER, "client");
const BACKENDS = ["10.99.0.11", "10.99.0.12", "10.99.0.13"];

/** Builds the stage, first removing what a crashed run left. */
export async function namespaceStage(): Promise<Stage> {
  removeNamespaces();
  mkdirSync(FOLDER, { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), "nodemesh-bench-"));
  makeHub();
  addPod(CLIENT, "client", "10.99.0.10");
  const services: Service[] = [];
  BACKENDS.forEach((address, index) => {
    const netns = join(FOLDER, `backend${index}`);
    addPod(netns, `backend${index}`, address);
    const folder = mkdtempSync(join(scratch, "backend-"));
    services.push(startService(writeBackend(folder, join(folder, "pid")), netns));
  });
  const stage: Stage = {
    backends: BACKENDS.map((address) => `${address}:${BACKEND_PORT}`),
    direct: `${BACKENDS[0]}:${BACKEND_PORT}`,
    run: (argv, timeoutMs) => runProgram(argv, { netnsFile: CLIENT, timeoutMs }),
    sidecar: (argv) => startService(argv, CLIENT),
    client: (argv) => startService(argv, CLIENT),
    async [Symbol.asyncDispose]() {
      for (const service of services) await service[Symbol.asyncDispose]();
      removeNamespaces();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
  for (const backend of stage.backends) await untilAnswers(stage, backend);
  return stage;
}

/** Waits until an address answers HTTP with success, seen from the client pod. */
export async function untilAnswers(
  stage: Stage,
  address: string,
  service?: Service,
): Promise<void> {
  const what = (): string =>
    `answer from ${address}${service === undefined ? "" : `\n${service.log()}`}`;
  await until(what, 10_000, async () => {
    const { code } = await stage.run(
      ["curl", "-sf", "-m", "1", "-o", "/dev/null", `http://${address}/100`],
      3_000,
    );
    return code === 0;
  });
}

function makeHub(): void {
  createNetns(HUB);
  const hub = openNetns(HUB);
  using netlink = openNetlink(hub);
  createBridge(netlink, "mesh0");
  setLink(netlink, "lo", { up: true });
  setLink(netlink, "mesh0", { up: true });
  closeNetns(hub);
}

function addPod(path: string, name: string, address: string): void {
  createNetns(path);
  const [hub, pod] = [openNetns(HUB), openNetns(path)];
  using inHub = openNetlink(hub);
  createVeth(inHub, { name, peer: { name: "eth0", netns: pod } });
  setLink(inHub, name, { up: true, master: "mesh0" });
  using inPod = openNetlink(pod);
  setLink(inPod, "lo", { up: true });
  setLink(inPod, "eth0", { up: true });
  addAddress(inPod, { link: "eth0", address: `${address}/24` });
  closeNetns(hub);
  closeNetns(pod);
}

function removeNamespaces(): void {
  mkdirSync(FOLDER, { recursive: true });
  for (const name of readdirSync(FOLDER)) deleteNetns(join(FOLDER, name));
  rmSync(FOLDER, { recursive: true, force: true });
}
