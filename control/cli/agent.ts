/** `nodemesh agent PAGE`: what an agent says of itself on its admin socket. */

import { Argument, type Command, Option } from "commander";
import { Agent, request } from "undici";
import { formatted } from "./context.ts";

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

/** Adds the command. `print` gets the whole output. */
export function addAgent(program: Command, print: (text: string) => void): void {
  program
    .command("agent")
    .description(`ask the agent of this node: ${PAGES.join(", ")}`)
    .addArgument(new Argument("<page>", "what to show").choices(PAGES))
    .option("--socket <path>", "the agent's admin socket", "/run/nodemesh/agent.sock")
    .addOption(
      new Option("-o, --output <format>", "json: one line; pretty: for people; yaml")
        .choices(["json", "pretty", "yaml"])
        .default("pretty"),
    )
    .action(async (page: string, options: { socket: string; output: string }) => {
      const value = await ask(options.socket, page);
      const pretty = formatted(value, options.output === "yaml" ? "yaml" : "json");
      print(options.output === "json" ? JSON.stringify(value) : (pretty ?? ""));
    });
}

async function ask(socketPath: string, page: string): Promise<unknown> {
  const dispatcher = new Agent({ connect: { socketPath, timeout: TIMEOUT_MS } });
  try {
    const { body } = await request(`http://agent/${page}`, { dispatcher, bodyTimeout: TIMEOUT_MS });
    const text = await body.text();
    return page === "ready" ? { ready: text.trim() } : (JSON.parse(text) as unknown);
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
