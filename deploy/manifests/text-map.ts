/** Options that are maps of texts: labels, annotations, node selectors. */

import { z } from "zod";

/** A label's or annotation's key (apimachinery, IsQualifiedName), its prefix not yet measured. */
const KEY = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
/** A label's value (apimachinery, IsValidLabelValue). */
export const LABEL_VALUE = "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$";
/** Labels by which the mesh's own things are found. */
export const OWN_LABELS =
  "^(app\\.kubernetes\\.io/(name|component|part-of|version)|pod-security\\.kubernetes\\.io/.*|grafana_dashboard)$";
/** Annotations that the mesh, kubectl and Helm write. */
export const OWN_ANNOTATIONS =
  "^(prometheus\\.io/(scrape|port|path)|nodemesh/.*|kubectl\\.kubernetes\\.io/.*|meta\\.helm\\.sh/.*)$";

/** What a map takes beside keys of Kubernetes. Patterns are Go's too: Helm checks by them. */
export interface TextMapRules {
  /** What a value must be; none: any text. */
  readonly value?: string;
  /** Keys that are the mesh's own. */
  readonly own?: string;
}

/** A map of texts; `preset` is what it holds when nothing is said. */
export function textMap(
  description: string,
  { value, own }: TextMapRules,
  preset: Record<string, string> = {},
): z.ZodDefault<z.ZodRecord<z.ZodString, z.ZodString>> {
  return z
    .record(z.string(), z.string("must be a text"))
    .superRefine((map, context) => {
      for (const [name, text] of Object.entries(map)) {
        const message = problemOf(name, text, { value, own });
        if (message !== undefined) context.addIssue({ code: "custom", path: [name], message });
      }
    })
    .default(preset)
    .meta({
      description,
      propertyNames: { pattern: KEY, ...(own !== undefined && { not: { pattern: own } }) },
      additionalProperties: { type: "string", ...(value !== undefined && { pattern: value }) },
    });
}

interface Rules {
  readonly value: string | undefined;
  readonly own: string | undefined;
}

function problemOf(name: string, text: string, { value, own }: Rules): string | undefined {
  if (!new RegExp(KEY).test(name))
    return "is no key of Kubernetes, such as team or example.com/team";
  if (own !== undefined && new RegExp(own).test(name)) return "is nodemesh's own: take another key";
  if (value !== undefined && !new RegExp(value).test(text))
    return "must be at most 63 letters, digits, '-', '_' and '.', the first and last a letter or digit";
  return undefined;
}
