/** Acknowledgements: small JSON messages, by POST or on the agent's own stream, checked strictly. */

import { z } from "zod";
import { MAX_MISDECLARED, MISSPOKEN, type MisdeclaredPort } from "#model/misdeclared.ts";
import type { AgentRegistry } from "./agents.ts";
import type { Position } from "./publisher.ts";

/** A longer body is not an ack. */
export const MAX_ACK_BYTES: number = 16 * 1024;

const nodeName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
  .max(253);

/** An ack as it came. */
export interface AckWords {
  readonly node: string;
  readonly epoch: string;
  readonly version: number;
  /** Present = a refusal, a nack. */
  readonly problem?: string | undefined;
  readonly field: string;
}

const MAX_EPOCH = 128;

const ack: z.ZodType<AckWords> = z.object({
  node: nodeName,
  epoch: z.string().min(1).max(MAX_EPOCH),
  version: z.int().min(0),
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

/** What a body says: an ack, or why it is none. */
export type AckReading =
  | { readonly kind: "ack"; readonly ack: AckWords }
  | { readonly kind: "refused"; readonly problem: string };

/** An ack on a stream. */
export interface StreamAck extends Position {
  /** Present = all ports that declare what is not spoken there, as far as the agent knows. */
  readonly misdeclared?: readonly MisdeclaredPort[];
}

/**
 * Reads an ack that came on the stream of its agent; undefined for anything else. By hand: there are as many as messages,
 * and zod took as long as the parser.
 */
export function readStreamAck(message: string): StreamAck | undefined {
  const said = parseJson(message);
  if (typeof said !== "object" || said === null) return undefined;
  const { epoch, version, misdeclared }: Partial<Record<keyof StreamAck, unknown>> = said;
  const isEpoch = typeof epoch === "string" && epoch !== "" && epoch.length <= MAX_EPOCH;
  if (!isEpoch || !isVersion(version)) return undefined;
  return misdeclared === undefined
    ? { epoch, version }
    : { epoch, version, misdeclared: readMisdeclared(misdeclared) };
}

const PORT_FIELDS = { port: z.int().min(1).max(65_535), spoken: z.enum(MISSPOKEN) };

const misdeclaredPort: z.ZodType<MisdeclaredPort> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("service"), service: z.string().max(512), ...PORT_FIELDS }),
  z.object({ kind: z.literal("pod"), pod: z.string().max(512), ...PORT_FIELDS }),
]);

/** What can be read of it: a newer agent may know of more kinds. */
function readMisdeclared(value: unknown): readonly MisdeclaredPort[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, MAX_MISDECLARED).flatMap((one: unknown) => {
    const result = misdeclaredPort.safeParse(one);
    return result.success ? [result.data] : [];
  });
}

function isVersion(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Reads the body of an ack. */
export function readAck(body: string): AckReading {
  const result = ack.safeParse(parseJson(body));
  if (result.success) return { kind: "ack", ack: result.data };
  const [issue] = result.error.issues;
  return { kind: "refused", problem: `${issue?.path.join(".")}: ${issue?.message}` };
}

/** Notes an ack or nack of a sender who may speak for the node. */
export function takeAck(words: AckWords, agents: AgentRegistry): AckVerdict {
  const { node, epoch, version, field, problem } = words;
  if (agents.get(node) === undefined)
    return { kind: "refused", problem: `node ${node} has no stream here` };
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
