/** The options as a flat list, for --set, help, errors, docs and the Helm chart. Pure. */

import { z } from "zod";
import { installOptions } from "./options.ts";

/** What the schema says of one option (JSON Schema, the few words of it that the options use). */
const leaf: z.ZodType<OptionRow["schema"]> = z.looseObject({
  type: z.enum(["string", "integer", "number", "boolean", "object", "array"]).optional(),
  additionalProperties: z.unknown().optional(),
  default: z.unknown(),
  description: z.string(),
  pattern: z.string().optional(),
  enum: z.array(z.string()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
});

/** One option. */
export interface OptionRow {
  /** For --set, for example agent.requests.cpu. */
  readonly path: string;
  readonly schema: {
    /** undefined: several. */
    readonly type?: "string" | "integer" | "number" | "boolean" | "object" | "array" | undefined;
    readonly additionalProperties?: unknown;
    readonly default?: unknown;
    readonly description: string;
    readonly pattern?: string | undefined;
    readonly enum?: readonly string[] | undefined;
    readonly minimum?: number | undefined;
    readonly maximum?: number | undefined;
  };
}

/** Only options have a description. */
const group = z.object({
  properties: z.record(z.string(), z.unknown()),
  description: z.undefined().optional(),
});

/** All options in the order of their table. */
export const OPTION_TABLE: readonly OptionRow[] = rowsOf(
  "",
  z.toJSONSchema(installOptions, { io: "input" }),
);

function rowsOf(path: string, schema: unknown): readonly OptionRow[] {
  const below = group.safeParse(schema);
  if (!below.success) return [{ path, schema: leaf.parse(schema) }];
  return Object.entries(below.data.properties).flatMap(([name, inner]) =>
    rowsOf(path === "" ? name : `${path}.${name}`, inner),
  );
}

/** What an option holds. `map`: names and texts. `yaml`: whatever Kubernetes has there. */
export type OptionKind = "text" | "integer" | "number" | "flag" | "map" | "yaml";

/** The kind of an option. */
export function kindOf({ schema: { type, additionalProperties } }: OptionRow): OptionKind {
  if (type === "string") return "text";
  if (type === "boolean") return "flag";
  if (type === "integer" || type === "number") return type;
  return type === "object" && additionalProperties !== false ? "map" : "yaml";
}

/** The option that a path of --set names, and the entry of it when the option is a map. */
export function optionAt(
  path: string,
): { readonly row: OptionRow; readonly entry?: string } | undefined {
  const exact = OPTION_TABLE.find((row) => row.path === path);
  if (exact !== undefined) return { row: exact };
  const map = OPTION_TABLE.find((row) => kindOf(row) === "map" && path.startsWith(`${row.path}.`));
  return map && { row: map, entry: path.slice(map.path.length + 1) };
}

/** A default as it is written in --set. */
export function shownDefault({ schema }: OptionRow): string {
  if (schema.default === "") return "none";
  return typeof schema.default === "object"
    ? JSON.stringify(schema.default)
    : String(schema.default);
}

/** What values an option takes, in words; empty when any text will do. */
export function allowedValues(row: OptionRow): string {
  const { schema } = row;
  if (schema.enum !== undefined) return schema.enum.join(", ");
  const holds = kindOf(row);
  if (holds === "text") return "";
  if (holds === "flag") return "true or false";
  if (holds === "map") return "names and texts, one by one (KEY.NAME=TEXT) or as YAML";
  if (holds === "yaml") return schema.type === undefined ? "" : "as YAML";
  const kind = holds === "integer" ? "a whole number" : "a number";
  // Zod gives every integer the largest safe one as its bound: nobody chose it.
  const { minimum, maximum = Number.MAX_SAFE_INTEGER } = schema;
  const to = maximum === Number.MAX_SAFE_INTEGER ? "" : ` to ${maximum}`;
  return `${kind}, ${minimum}${to || " or more"}`;
}

/** The option with the name nearest to one that does not exist; undefined when none is near. */
export function nearestOption(unknown: string): string | undefined {
  const known = OPTION_TABLE.map(({ path }) => path);
  const same = known.filter((path) => path.split(".").at(-1) === unknown.split(".").at(-1));
  const [best] = [...same, ...known]
    .map((path) => ({ path, distance: same.includes(path) ? 0 : edits(unknown, path) }))
    .toSorted((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= unknown.length / 2 ? best.path : undefined;
}

/** Letters to add, remove or replace, in either case (Wagner and Fischer, one row at a time). */
function edits(from: string, to: string): number {
  const [a, b] = [from.toLowerCase(), to.toLowerCase()];
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1];
    for (const [at, other] of [...b].entries())
      next.push(
        Math.min(
          (row[at + 1] ?? 0) + 1,
          (next[at] ?? 0) + 1,
          (row[at] ?? 0) + (letter === other ? 0 : 1),
        ),
      );
    row = next;
  }
  return row.at(-1) ?? 0;
}
