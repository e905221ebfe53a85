/** Verbs on objects: apply, delete, annotate, label, scale, get, wait. */

import { type Command, InvalidArgumentError } from "commander";
import type { Target } from "../api/protocol.ts";
import type { RawObject } from "../cluster/raw.ts";
import { ask, type Terminal } from "./context.ts";
import { readManifests } from "./manifest-files.ts";
import { kindOf, parseMarks, parseTargets } from "./resource-args.ts";

/** Adds the verbs to the program. */
export function addObjectVerbs(program: Command, terminal: Terminal): void {
  addApply(program, terminal);
  addDelete(program, terminal);
  addMark(program, terminal, { verb: "annotate", field: "annotations" });
  addMark(program, terminal, { verb: "label", field: "labels" });
  addScale(program, terminal);
  addGet(program, terminal);
  program
    .command("wait")
    .description("wait until all pods are ready and all agents have acknowledged")
    .option("--timeout <seconds>", "give up after this long", seconds, 30)
    .action(async (options: { timeout: number }, command: Command) => {
      await ask(command, terminal, { verb: "wait", timeoutMs: options.timeout * 1_000 });
    });
}

function addApply(program: Command, terminal: Terminal): void {
  program
    .command("apply")
    .description("create or update objects from manifests")
    .requiredOption("-f, --filename <path>", "file, directory or - (repeatable)", collect, [])
    .option("-n, --namespace <name>", "namespace of objects that name none", "default")
    .action(async (options: { filename: string[]; namespace: string }, command: Command) => {
      const objects = readManifests(options.filename);
      await ask(command, terminal, { verb: "apply", objects, namespace: options.namespace });
    });
}

interface DeleteOptions {
  readonly filename: readonly string[];
  readonly namespace: string;
  readonly selector?: string;
  readonly all?: boolean;
  readonly gracePeriod?: number;
  readonly wait: boolean;
  readonly ignoreNotFound?: boolean;
}

function addDelete(program: Command, terminal: Terminal): void {
  program
    .command("delete")
    .description("delete objects; waits until pods are gone")
    .argument("[resource...]", "KIND NAME…, KIND/NAME…")
    .option("-f, --filename <path>", "the objects of these manifests (repeatable)", collect, [])
    .option("-n, --namespace <name>", "namespace", "default")
    .option("-l, --selector <labels>", "KEY=VALUE[,KEY=VALUE]")
    .option("--all", "all objects of the kind in the namespace")
    .option("--grace-period <seconds>", "instead of the pod's own; 0 = at once", seconds)
    .option("--no-wait", "return before the pods are gone")
    .option("--ignore-not-found", "what is not there counts as deleted")
    .action(async (resources: string[], options: DeleteOptions, command: Command) => {
      const targets =
        options.filename.length > 0
          ? readManifests(options.filename).map((raw) => ({
              kind: raw.kind,
              namespace: raw.metadata.namespace ?? options.namespace,
              names: [raw.metadata.name],
              selector: {},
              all: false,
            }))
          : parseTargets(resources, options);
      await ask(command, terminal, {
        verb: "delete",
        targets,
        wait: options.wait,
        ignoreNotFound: options.ignoreNotFound === true,
        ...(options.gracePeriod === undefined ? {} : { graceSeconds: options.gracePeriod }),
      });
    });
}

interface MarkOptions {
  readonly namespace: string;
  readonly selector?: string;
  readonly all?: boolean;
  readonly overwrite?: boolean;
}

function addMark(
  program: Command,
  terminal: Terminal,
  kind: { readonly verb: string; readonly field: "annotations" | "labels" },
): void {
  program
    .command(kind.verb)
    .description(`set or remove ${kind.field}: KEY=VALUE sets, KEY- removes`)
    .argument("<words...>", "KIND NAME or KIND/NAME or KIND -l LABELS, then KEY=VALUE or KEY-")
    .option("-n, --namespace <name>", "namespace", "default")
    .option("-l, --selector <labels>", "KEY=VALUE[,KEY=VALUE]")
    .option("--all", "all objects of the kind in the namespace")
    .option("--overwrite", "change a value that is set already")
    .action(async (words: string[], options: MarkOptions, command: Command) => {
      const { resources, changes } = parseMarks(words);
      for (const target of parseTargets(resources, options))
        await ask(command, terminal, {
          verb: "mark",
          field: kind.field,
          target,
          changes,
          overwrite: options.overwrite === true,
        });
    });
}

function addScale(program: Command, terminal: Terminal): void {
  program
    .command("scale")
    .description("set the number of replicas: scale deploy/NAME 5, or deploy NAME --replicas=5")
    .argument("<words...>", "deploy/NAME [N] or deploy NAME [N]")
    .option("--replicas <n>", "how many", count)
    .option("-n, --namespace <name>", "namespace", "default")
    .action(
      async (
        words: string[],
        options: { replicas?: number; namespace: string },
        command: Command,
      ) => {
        const last = words.at(-1) ?? "";
        const trailing = options.replicas === undefined && /^\d+$/.test(last);
        const replicas = trailing ? count(last) : options.replicas;
        if (replicas === undefined)
          throw new InvalidArgumentError("say how many: scale deploy/NAME 3");
        const named = trailing ? words.slice(0, -1) : words;
        for (const target of parseTargets(named, options))
          await ask(command, terminal, { verb: "scale", target, replicas });
      },
    );
}

interface GetOptions {
  readonly namespace: string;
  readonly selector?: string;
  readonly output: string;
}

function addGet(program: Command, terminal: Terminal): void {
  program
    .command("get")
    .description("print objects: names, or -o json")
    .argument("<resource...>", "KIND [NAME…] or KIND/NAME…")
    .option("-n, --namespace <name>", "namespace", "default")
    .option("-l, --selector <labels>", "KEY=VALUE[,KEY=VALUE]")
    .option("-o, --output <format>", "name or json", "name")
    .action(async (words: string[], options: GetOptions, command: Command) => {
      for (const target of getTargets(words, options)) {
        const reply = await ask(command, terminal, { verb: "get", target });
        showObjects(terminal, reply.objects ?? [], options.output);
      }
    });
}

/** `get pods` means all of them: the only verb where a kind alone is enough. */
function getTargets(words: readonly string[], options: GetOptions): readonly Target[] {
  const [first = ""] = words;
  const kindAlone = words.length === 1 && !first.includes("/") && options.selector === undefined;
  return parseTargets(words, kindAlone ? { ...options, all: true } : options);
}

function showObjects(terminal: Terminal, objects: readonly RawObject[], format: string): void {
  if (format === "json") {
    terminal.out(JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }, null, 2));
    return;
  }
  for (const raw of objects) terminal.out(`${kindOf(raw.kind).toLowerCase()}/${raw.metadata.name}`);
}

/** A whole number of replicas, 0 to 1000. */
function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 1_000)
    throw new InvalidArgumentError("must be a whole number from 0 to 1000");
  return value;
}

/** A number of seconds, 0 or more. */
export function seconds(text: string): number {
  const value = Number(text.replace(/s$/, ""));
  if (text === "" || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError("must be a number of seconds, 0 or more");
  return value;
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
