/**
 * The Helm chart, made from the objects that `nodemesh install` prints: every option is replaced by a word that
 * nothing else contains, and where the word shows up in the YAML there goes the option's place in the values. What
 * the objects look like is thus said once. Pure; main.ts writes the files.
 */

import { Document, stringify } from "yaml";
import { AGENT, type Manifest } from "../meta.ts";
import { OPERATOR_KINDS } from "../monitoring.ts";
import { installObjects } from "../objects.ts";
import { kindOf, OPTION_TABLE, type OptionRow } from "../option-table.ts";
import { type InstallOptions, parseOptions } from "../options.ts";
import { OPTIONAL_QUANTITY, QUANTITY } from "../quantity.ts";

/** The chart's files by name. */
export type ChartFiles = Readonly<Record<string, string>>;

/** The first number that stands for an option; far from every number that an installation has. */
const FIRST_STAND_IN = 7_310_000;
/** Stand-ins are this far apart: what code adds to an option is less. */
const STAND_IN_STEP = 1_000;
/** Templates of Grafana and Prometheus: to Helm they are text. */
const FOREIGN_BRACES = /\{\{(?! (?:toJson )?\.(?:Values|Release)\.)/g;
/** Helm has a namespace of its own for each release. */
const NAMESPACE = "namespace";

/** The release's namespace must be one that `nodemesh install` takes too. */
const NAMESPACE_CHECK = `{{- /* Generated from deploy/manifests by \`npm run gen\`. */ -}}
{{- if or (eq .Release.Namespace "default") (hasPrefix "kube-" .Release.Namespace) }}
{{- fail "the namespace must be one of the mesh's own, not default or kube-*: helm install -n nodemesh --create-namespace" }}
{{- end }}
`;

/** What Helm says after an installation or an upgrade. */
const NOTES = `nodemesh {{ .Values.image.tag }} is in namespace {{ .Release.Namespace }}. Next:

  kubectl -n {{ .Release.Namespace }} rollout status daemonset/${AGENT}
  nodemesh check -n {{ .Release.Namespace }}
  kubectl annotate pod POD mesh/enabled=true
  nodemesh status --mesh-namespace {{ .Release.Namespace }}

To uninstall, delete serviceaccount/${AGENT} and daemonset/${AGENT} first: then no pod is left with a mesh that is gone.
`;

/** Which file an object is in, by its component label. */
const FILES = ["control", "agent", "dashboards", "monitors", "rules"] as const;

/** Objects that are there only when an option says so, by their file. */
const ASKED_FOR: Readonly<Record<string, string>> = {
  dashboards: "grafana.dashboards",
  monitors: "prometheus.podMonitors",
  rules: "prometheus.rules",
};

/** Makes all files for a version. */
export function chartFiles(version: string): ChartFiles {
  const objects = installObjects(standIns()).filter(({ kind }) => kind !== "Namespace");
  const of = (file: string): readonly Manifest[] =>
    objects.filter((object) => fileOf(object) === file);
  return {
    "Chart.yaml": stringify({
      apiVersion: "v2",
      name: "nodemesh",
      description: "A service mesh with one agent per node and no sidecars.",
      type: "application",
      version,
      appVersion: version,
      kubeVersion: ">=1.30.0-0",
    }),
    "values.yaml": valuesFile(),
    "values.schema.json": `${JSON.stringify(valuesSchema(), undefined, 2)}\n`,
    "templates/crd.yaml": templateOf(of("crd")),
    "templates/namespace.yaml": NAMESPACE_CHECK,
    "templates/NOTES.txt": NOTES,
    ...Object.fromEntries(
      FILES.map((file) => [`templates/${file}.yaml`, conditional(file, templateOf(of(file)))]),
    ),
  };
}

function fileOf({ kind, metadata }: Manifest): string {
  if (kind === "CustomResourceDefinition") return "crd";
  const component = metadata.labels["app.kubernetes.io/component"] ?? "";
  return FILES.find((file) => file === component) ?? "control";
}

/** Options of a chart: all but the namespace. */
function rows(): readonly OptionRow[] {
  return OPTION_TABLE.filter(({ path }) => path !== NAMESPACE);
}

/** The number that stands for an option. */
function numberFor(index: number): number {
  return FIRST_STAND_IN + index * STAND_IN_STEP;
}

function standIns(): InstallOptions {
  const tree: Record<string, unknown> = { [NAMESPACE]: "{{ .Release.Namespace }}" };
  for (const [index, row] of rows().entries()) put(tree, row.path, standIn(row, index));
  // Of the right shape by construction; not of the right content, which is the point.
  return tree as unknown as InstallOptions;
}

function standIn(row: OptionRow, index: number): unknown {
  const value = `.Values.${row.path}`;
  const kind = kindOf(row);
  switch (kind) {
    // Whatever can be asked for is in the chart, each in a file that asks for it.
    case "flag":
      return true;
    case "map":
      return { [`{{ ${value} }}`]: "" };
    // JSON is YAML on one line.
    case "yaml":
      return `{{ toJson ${value} }}`;
    case "text":
      return `{{ ${value} }}`;
    case "integer":
    case "number":
      return numberFor(index);
  }
}

function conditional(file: string, text: string): string {
  const path = ASKED_FOR[file];
  if (path === undefined) return text;
  const [kind] = Object.entries(OPERATOR_KINDS).find(([, option]) => option === path) ?? [];
  return `{{- if .Values.${path} }}\n${kind === undefined ? "" : kindCheck(kind, path)}${text}{{- end }}\n`;
}

/** As nodemesh install: better refused with the next step than halfway through. */
function kindCheck(kind: string, path: string): string {
  const version = `monitoring.coreos.com/v1/${kind}`;
  return `{{- if not (.Capabilities.APIVersions.Has "${version}") }}
{{- fail "the cluster does not know ${kind}: install the Prometheus operator first, or leave ${path} false; helm template takes --api-versions ${version}" }}
{{- end }}
`;
}

function put(tree: Record<string, unknown>, path: string, value: unknown): void {
  const [first = "", ...rest] = path.split(".");
  if (rest.length === 0) {
    tree[first] = value;
    return;
  }
  const below = (tree[first] ?? {}) as Record<string, unknown>;
  tree[first] = below;
  put(below, rest.join("."), value);
}

function templateOf(objects: readonly Manifest[]): string {
  const texts = objects.map((object) =>
    stringify(object, { lineWidth: 0 }).replaceAll(FOREIGN_BRACES, '{{ "{{" }}'),
  );
  return `# Generated from deploy/manifests by \`npm run gen\`.\n---\n${texts.join("---\n")}`
    .replaceAll(/\b\d{7,10}\b/g, (digits) => expressionFor(Number(digits)) ?? digits)
    .replaceAll(
      ONLY_COMMON,
      "{{- with .Values.annotations }}\n$1annotations: {{ toJson . }}\n{{- end }}\n",
    )
    .replaceAll(MAP_ENTRIES, entriesOf)
    .replaceAll(/"(\{\{ toJson \.Values\.[\w.]+ \}\})"/g, "$1")
    .replaceAll(/@\{\{ (\.Values\.[\w.]+Digest) \}\}/g, "{{ with $1 }}@{{ . }}{{ end }}")
    .replaceAll(OPTIONAL_LINE, (line, path: string) =>
      OPTIONAL.has(path) ? `{{- if .Values.${path} }}\n${line}\n{{- end }}` : line,
    );
}

/** Annotations of an object that has none of its own. */
const ONLY_COMMON = /^( *)annotations:\n *"\{\{ \.Values\.annotations \}\}": ""\n(?!\1 )/gm;
/** Lines on which the entries of maps go; of several, the last one that has a name counts. */
const MAP_ENTRIES = /(?:^ *"\{\{ \.Values\.[\w.]+ \}\}": ""\n)+/gm;

function entriesOf(lines: string): string {
  const [indent = ""] = /^ */.exec(lines) ?? [];
  const maps = [...lines.matchAll(/\.Values\.[\w.]+/g)].map(([value]) => value);
  const all = maps.length === 1 ? maps[0] : `merge (dict) ${maps.toReversed().join(" ")}`;
  return [
    `{{- range $name, $text := ${all} }}`,
    `${indent}{{ $name | quote }}: {{ $text | quote }}`,
    "{{- end }}",
    "",
  ].join("\n");
}

/** A line that is there only when its option says something: those whose default is empty. */
const OPTIONAL_LINE = /^ *\w+: "\{\{ \.Values\.([\w.]+) \}\}"$/gm;
const OPTIONAL: ReadonlySet<string> = new Set(
  OPTION_TABLE.flatMap(({ path, schema }) => (schema.default === "" ? [path] : [])),
);

/** The expression that gives a number in which an option went: as it is, with something added, or multiplied. */
function expressionFor(seen: number): string | undefined {
  for (const [index, row] of rows().entries()) {
    const { path } = row;
    const kind = kindOf(row);
    if (kind !== "integer" && kind !== "number") continue;
    const standIn = numberFor(index);
    const value = kind === "integer" ? `int .Values.${path}` : `.Values.${path}`;
    if (seen === standIn) return `{{ ${value} }}`;
    if (seen > standIn && seen < standIn + STAND_IN_STEP)
      return `{{ add (${value}) ${seen - standIn} }}`;
    if (seen > standIn && seen % standIn === 0) return `{{ mul (${value}) ${seen / standIn} }}`;
  }
  return undefined;
}

function valuesFile(): string {
  const { namespace: _, ...values } = parseOptions({});
  const document = new Document(values);
  for (const { path, schema } of rows()) {
    const words = path.split(".");
    const last = words.pop() ?? "";
    const map = document.getIn(words);
    if (typeof map !== "object" || map === null || !("items" in map)) continue;
    for (const { key } of map.items as readonly {
      key: { value: string; commentBefore?: string };
    }[])
      if (key.value === last) key.commentBefore = ` ${schema.description}`;
  }
  return `# Generated from deploy/manifests/options.ts by \`npm run gen\`.\n${document.toString()}`;
}

function valuesSchema(): unknown {
  const root = group();
  for (const { path, schema } of rows()) {
    const words = path.split(".");
    const last = words.pop() ?? "";
    let at = root;
    for (const word of words) {
      const below = at.properties[word] ?? group();
      at.properties[word] = below;
      at = below as Group;
    }
    at.properties[last] = valueSchema(schema);
  }
  return { $schema: "https://json-schema.org/draft/2020-12/schema", ...root };
}

/** helm --set takes whole numbers for numbers and all others for texts: an option may come as either. */
function valueSchema(schema: OptionRow["schema"]): unknown {
  const { type, minimum, maximum, pattern, ...rest } = schema;
  if (type === "number")
    return {
      ...rest,
      anyOf: [
        { type, minimum, maximum },
        { type: "string", pattern: "^(0(\\.\\d+)?|1(\\.0+)?)$" },
      ],
    };
  if (pattern !== QUANTITY.source && pattern !== OPTIONAL_QUANTITY.source) return schema;
  return {
    ...rest,
    anyOf: [
      { type, pattern },
      { type: "number", minimum: 0 },
    ],
  };
}

interface Group {
  readonly type: "object";
  readonly additionalProperties: boolean;
  readonly properties: Record<string, unknown>;
}

function group(): Group {
  return { type: "object", additionalProperties: false, properties: {} };
}
