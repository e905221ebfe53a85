/**
 * A directory (or files) of Kubernetes manifests as the source of the world, for the simulator, for tests
 * and for trying things out. May import control/k8s/api and control/world.ts; must know nothing of
 * snapshots. This file: one file's text to objects, pure.
 */

import { parseAllDocuments } from "yaml";
import { decodeManifest, type Invalid, type KubeObject } from "../k8s/api/decode.ts";

/** All that one file's text says. */
export interface ParsedFile {
  readonly objects: readonly KubeObject[];
  readonly invalid: readonly Invalid[];
  /** Syntax errors, with their line. Not empty = the file may be half-written: absence proves nothing. */
  readonly broken: readonly string[];
}

/** A file that says nothing. */
export const EMPTY_FILE: ParsedFile = { objects: [], invalid: [], broken: [] };

/** Reads JSON (one document) or YAML (any number of documents, `---` between). Never throws. */
export function parseManifest(text: string): ParsedFile {
  const { values, broken } = parseDocuments(text);
  const objects: KubeObject[] = [];
  const invalid: Invalid[] = [];
  for (const value of values) {
    for (const verdict of decodeManifest(value)) {
      if (verdict.kind === "object") objects.push(verdict.object);
      else if (verdict.kind === "invalid") invalid.push(verdict);
    }
  }
  return { objects, invalid, broken };
}

interface Documents {
  readonly values: readonly unknown[];
  readonly broken: readonly string[];
}

function parseDocuments(text: string): Documents {
  return parseJson(text) ?? parseYaml(text);
}

/** JSON is valid YAML, but JSON.parse is some hundred times faster. Undefined = not JSON. */
function parseJson(text: string): Documents | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    return { values: [JSON.parse(text)], broken: [] };
  } catch {
    return undefined;
  }
}

function parseYaml(text: string): Documents {
  const values: unknown[] = [];
  const broken: string[] = [];
  // YAML 1.2: under 1.1 a Service named `n` or a label `on` would be a boolean. `<<` is widely used.
  for (const document of parseAllDocuments(text, { version: "1.2", merge: true })) {
    const [error] = document.errors;
    if (error !== undefined) {
      broken.push(error.message.split("\n")[0] ?? error.code);
      continue;
    }
    try {
      // The alias limit is yaml's defence against documents that unfold without end.
      const value: unknown = document.toJS({ maxAliasCount: 100 });
      if (value !== null) values.push(value);
    } catch (cause) {
      broken.push(cause instanceof Error ? cause.message : String(cause));
    }
  }
  return { values, broken };
}
