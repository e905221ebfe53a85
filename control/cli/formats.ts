/** Values for programs, as JSON and YAML: the same for every command, and safe on a terminal. */

import { Document, isScalar, Scalar, visit } from "yaml";
import { isVisible, visibleJson, visibleYaml } from "#model/visible.ts";

/** JSON with two spaces of indentation. */
export function jsonText(value: unknown): string {
  return visibleJson(JSON.stringify(value, null, 2));
}

/** One YAML document, without the end of its last line. */
export function yamlText(value: unknown): string {
  // kubectl reads YAML 1.1, to which `yes` and `1:30` are no texts.
  const document = new Document(value, { aliasDuplicateObjects: false, compat: "yaml-1.1" });
  visit(document, {
    Scalar: (_, node) => {
      if (
        isScalar(node) &&
        typeof node.value === "string" &&
        !node.value.split("\n").every(isVisible)
      )
        node.type = Scalar.QUOTE_DOUBLE;
    },
  });
  return visibleYaml(document.toString({ lineWidth: 0 })).replace(/\n$/, "");
}
