/** One control replica on the paper cluster, and 1,000 agents' words to reach it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Service, startService, until } from "../harness/process.ts";
import type { Api } from "./api.ts";
import type { CrowdOrder } from "./messages.ts";
import { agentTokens, MESH_NAMESPACE, meshCa, nodeName } from "./world.ts";

const MAIN = new URL("../../control/main.ts", import.meta.url).pathname;
const HOST = "127.0.0.1";
const PORT = 15_010;
const METRICS_PORT = 15_020;
const READY_MS = 120_000;

/** Starts control and waits until it is ready; rejects with its last words. `nodeFlags` are for Node itself. */
export async function startControl(
  kubeconfig: string,
  nodeFlags: readonly string[],
): Promise<Service> {
  const cluster = ["--kubernetes", "--kubeconfig", kubeconfig, "--namespace", MESH_NAMESPACE];
  const places = ["--listen", `${HOST}:${PORT}`, "--metrics", `${HOST}:${METRICS_PORT}`];
  const control = startService([
    process.execPath,
    ...nodeFlags,
    MAIN,
    ...cluster,
    ...["--identity", "bench"],
    ...places,
  ]);
  try {
    await until(
      () => `ready control; it said: ${control.log()}`,
      READY_MS,
      async () => {
        const answer = await fetch(`http://${HOST}:${METRICS_PORT}/ready`).catch(() => undefined);
        return answer?.ok === true;
      },
    );
    return control;
  } catch (cause) {
    await control[Symbol.asyncDispose]();
    throw cause;
  }
}

/** Writes each agent's token and the mesh's CA into `folder`, as kubelet would. */
export async function crowdOrder(api: Api, nodes: number, folder: string): Promise<CrowdOrder> {
  const ca = await meshCa(api);
  if (ca === undefined) throw new Error("control is ready, but there is no nodemesh-root");
  const caFile = join(folder, "ca.crt");
  writeFileSync(caFile, ca);
  const tokens = join(folder, "tokens");
  mkdirSync(tokens);
  const agents = (await agentTokens(api, nodes)).map((token, index) => {
    const name = nodeName(index);
    const tokenFile = join(tokens, name);
    writeFileSync(tokenFile, token, { mode: 0o600 });
    return { name, tokenFile };
  });
  const serverName = `nodemesh-control.${MESH_NAMESPACE}.svc`;
  return { control: { host: HOST, port: PORT, caFile, serverName }, nodes: agents, share: 0.99 };
}
