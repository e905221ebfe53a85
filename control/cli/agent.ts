/** `nodemesh agent PAGE`: what an agent says of itself on its admin socket, on its node or from elsewhere. */

import { Argument, type Command, Option } from "commander";
import { Agent, request } from "undici";
import { visibleJson } from "#model/visible.ts";
import { ClusterApi } from "./cluster.ts";
import {
  addClusterOptions,
  type CliContext,
  type ClusterOptions,
  chooseKubeConfig,
  formatted,
} from "./context.ts";
import { execInPod } from "./exec.ts";
import { meshPods } from "./mesh-facts.ts";

/** Pages of the admin socket (agent/admin). */
const PAGES = [
  "config",
  "snapshot",
  "pods",
  "connections",
  "endpoints",
  "counters",
  "ready",
] as const;

const TIMEOUT_MS = 5_000;

interface AgentOptions extends ClusterOptions {
  readonly node?: string;
  readonly namespace: string;
  readonly socket: string;
  readonly output: string;
}

/** Adds the command. `print` gets the whole output. */
export function addAgent(
  program: Command,
  context: CliContext,
  print: (text: string) => void,
): void {
  const command = program
    .command("agent")
    .description(`ask the agent of this node, or of --node: ${PAGES.join(", ")}`)
    .addArgument(new Argument("<page>", "what to show").choices(PAGES))
    .option(
      "--node <name>",
      "another node's, through the API server: you must be allowed pods/exec in the mesh's namespace",
    )
    .option("-n, --namespace <name>", "namespace of nodemesh, with --node", "nodemesh")
    .option("--socket <path>", "the agent's admin socket", "/run/nodemesh/agent.sock")
    .addOption(
      new Option("-o, --output <format>", "json: one line; pretty: for people; yaml")
        .choices(["json", "pretty", "yaml"])
        .default("pretty"),
    );
  addClusterOptions(command).action(async (page: string, options: AgentOptions) => {
    const { node, socket, output } = options;
    const value =
      node === undefined
        ? await ask(socket, page)
        : await askNode(page, { ...options, node }, context);
    const pretty = formatted(value, output === "yaml" ? "yaml" : "json");
    print(output === "json" ? visibleJson(JSON.stringify(value)) : (pretty ?? ""));
  });
}

/** The Node of the images (deploy/images/plan.ts): the agent's has no other program. */
const NODE = "/nodemesh/node";
/** Asks the socket, and gives the answer on; small, for it runs within the limits of the agent's container. */
const ASK = `const [, socketPath, path] = process.argv;
require("node:http").get({ socketPath, path }, (answer) => answer.pipe(process.stdout))
  .on("error", ({ message }) => { console.error(message); process.exitCode = 1; });`;

async function askNode(
  page: string,
  options: AgentOptions & { readonly node: string },
  context: CliContext,
): Promise<unknown> {
  const { node, namespace, socket } = options;
  await using api = new ClusterApi(chooseKubeConfig(options, context));
  const agents = await meshPods(api, namespace, "agent");
  const agent = agents.find((pod) => pod.node === node && !pod.terminating);
  if (agent === undefined)
    throw new Error(
      `node ${node} has no agent in namespace ${namespace}: nodemesh status --mesh-namespace ${namespace} lists nodes and agents`,
    );
  const place = { namespace, pod: agent.name, container: "agent" };
  const command = [NODE, "--max-semi-space-size=1", "-e", ASK, socket, `/${page}`];
  const { code, out, err } = await execInPod(api, place, command);
  if (code !== 0)
    throw new Error(
      `no answer from the agent on ${socket} of node ${node}: ${err.trim() || `exit code ${code}`}`,
    );
  return readPage(page, out);
}

/** Readiness is a text, also when it is none; all else is JSON. */
function readPage(page: string, text: string): unknown {
  return page === "ready" ? { ready: text.trim() } : (JSON.parse(text) as unknown);
}

async function ask(socketPath: string, page: string): Promise<unknown> {
  const dispatcher = new Agent({ connect: { socketPath, timeout: TIMEOUT_MS } });
  try {
    const { body } = await request(`http://agent/${page}`, { dispatcher, bodyTimeout: TIMEOUT_MS });
    return readPage(page, await body.text());
  } catch (error) {
    throw new Error(
      `no answer from the agent on ${socketPath}: ${reasonOf(error)}; is it running?`,
    );
  } finally {
    await dispatcher.close();
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
