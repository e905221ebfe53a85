/** Acknowledgements: one small JSON message by POST, checked strictly. */

import { z } from "zod";
import type { AgentRegistry } from "./agents.ts";

/** A longer body is not an ack. */
export const MAX_ACK_BYTES: number = 16 * 1024;

const nodeName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
  .max(253);

const ack = z.object({
  node: nodeName,
  epoch: z.string().min(1).max(128),
  version: z.int().min(0),
  /** Present = a refusal. */
  problem: z.string().max(2048).optional(),
  field: z.string().max(512).default(""),
});

/** What became of a message: taken, or why not. */
export type AckVerdict =
  | { readonly kind: "taken"; readonly node: string; readonly refusal: boolean }
  | { readonly kind: "refused"; readonly problem: string };

/** A node name as Kubernetes allows it; undefined for anything else. */
export function parseNodeName(text: string | null): string | undefined {
  const result = nodeName.safeParse(text);
  return result.success ? result.data : undefined;
}

/** Reads an ack or nack and notes it. `admit` says why the sender may not speak for a node. */
export function takeAck(
  body: string,
  agents: AgentRegistry,
  admit: (node: string) => string | undefined,
): AckVerdict {
  const result = ack.safeParse(parseJson(body));
  if (!result.success) {
    const [issue] = result.error.issues;
    return { kind: "refused", problem: `${issue?.path.join(".")}: ${issue?.message}` };
  }
  const { node, epoch, version, field, problem } = result.data;
  if (agents.get(node) === undefined)
    return { kind: "refused", problem: `node ${node} has no stream here` };
  const stranger = admit(node);
  if (stranger !== undefined) return { kind: "refused", problem: stranger };
  if (problem === undefined) agents.acked(node, { epoch, version });
  else agents.nacked(node, { version, field, problem });
  return { kind: "taken", node, refusal: problem !== undefined };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
