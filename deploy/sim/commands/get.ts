/** `sim get`: objects as a table, as JSON or YAML, or just their names. */

import { type Command, Option } from "commander";
import { jsonText, yamlText } from "../../../control/cli/formats.ts";
import { EVERY_NAMESPACE } from "../api/protocol.ts";
import type { RawObject } from "../cluster/raw.ts";
import { nameOf } from "../cluster/raw.ts";
import { ask, type Terminal } from "./context.ts";
import { objectTable } from "./object-tables.ts";
import { parseTargets } from "./resource-args.ts";

interface GetOptions {
  readonly namespace: string;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly output: string;
}

/** Adds the verb to the program. */
export function addGet(program: Command, terminal: Terminal): void {
  program
    .command("get")
    .description("show objects: get pods, get deploy/user -o yaml, get pods,svc -A")
    .argument("<resource...>", "KIND[,KIND] [NAME…] or KIND/NAME…, or `all`")
    .option("-n, --namespace <name>", "namespace", "default")
    .option("-A, --all-namespaces", "in every namespace")
    .option("-l, --selector <labels>", "KEY=VALUE[,KEY=VALUE]")
    .addOption(
      new Option("-o, --output <format>", "output format")
        .choices(["table", "wide", "json", "yaml", "name"])
        .default("table"),
    )
    .action(async (words: string[], options: GetOptions, command: Command) => {
      const everywhere = options.allNamespaces === true;
      const scope = {
        namespace: everywhere ? EVERY_NAMESPACE : options.namespace,
        selector: options.selector,
      };
      const targets = parseTargets(words, scope, "kind-alone-means-all");
      const found: RawObject[] = [];
      for (const target of targets) {
        const { objects = [] } = await ask(command, terminal, { verb: "get", target });
        found.push(...objects);
      }
      const one = targets.length === 1 && targets[0]?.names.length === 1;
      if (found.length === 0 && !one && ["table", "wide"].includes(options.output)) {
        const where = everywhere ? "" : ` in namespace ${options.namespace}`;
        terminal.err(`No resources found${where}.`);
      } else show(terminal, found, { format: options.output, one, everywhere });
    });
}

interface How {
  readonly format: string;
  /** One object was named: it is shown itself, not as the only item of a list. */
  readonly one: boolean;
  readonly everywhere: boolean;
}

function show(terminal: Terminal, objects: readonly RawObject[], how: How): void {
  const whole = how.one ? objects[0] : { apiVersion: "v1", kind: "List", items: objects };
  switch (how.format) {
    case "json":
      if (whole !== undefined) terminal.out(jsonText(whole));
      return;
    case "yaml":
      if (whole !== undefined) terminal.out(yamlText(whole));
      return;
    case "name":
      for (const raw of objects) terminal.out(nameOf({ kind: raw.kind, name: raw.metadata.name }));
      return;
    default:
      showTables(terminal, objects, how);
  }
}

function showTables(terminal: Terminal, objects: readonly RawObject[], how: How): void {
  const kinds = Map.groupBy(objects, (raw) => raw.kind);
  let first = true;
  for (const members of kinds.values()) {
    if (!first) terminal.out("");
    first = false;
    const options = {
      wide: how.format === "wide",
      namespaces: how.everywhere,
      // Of several kinds each name says which it is, as kubectl does.
      prefixed: kinds.size > 1,
      nowMs: Date.now(),
    };
    for (const line of objectTable(members, options)) terminal.out(line);
  }
}
