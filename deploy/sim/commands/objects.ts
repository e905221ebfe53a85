/** Verbs that change objects (apply, delete, annotate, label, scale), and the door to get and wait. */

import { type Command, InvalidArgumentError } from "commander";
import type { Target } from "../api/protocol.ts";
import { ask, type Terminal } from "./context.ts";
import { addGet } from "./get.ts";
import { readManifests } from "./manifest-files.ts";
import { flag, replicaCount, seconds } from "./numbers.ts";
import { parseMarks, parseTargets, refuseBadLabels } from "./resource-args.ts";
import { addWait } from "./wait.ts";

/** Adds the verbs to the program. */
export function addObjectVerbs(program: Command, terminal: Terminal): void {
  addApply(program, terminal);
  addDelete(program, terminal);
  addMark(program, terminal, { verb: "annotate", field: "annotations" });
  addMark(program, terminal, { verb: "label", field: "labels" });
  addScale(program, terminal);
  addGet(program, terminal);
  addWait(program, terminal);
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
  readonly now?: boolean;
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
    .option("--wait <bool>", "false: return before the pods are gone", flag, true)
    .option("--no-wait", "the same as --wait=false")
    .option("--now", "with a grace period of 1 second")
    .option("--force", "accepted for kubectl's sake: say --grace-period=0")
    .option("--ignore-not-found", "what is not there counts as deleted")
    .action(async (resources: string[], options: DeleteOptions, command: Command) => {
      const targets = deleted(resources, options);
      const graceSeconds = options.now === true ? 1 : options.gracePeriod;
      await ask(command, terminal, {
        verb: "delete",
        targets,
        wait: options.wait,
        ignoreNotFound: options.ignoreNotFound === true,
        ...(graceSeconds === undefined ? {} : { graceSeconds }),
      });
    });
}

function deleted(resources: readonly string[], options: DeleteOptions): readonly Target[] {
  if (options.filename.length === 0) return parseTargets(resources, options);
  if (resources.length > 0) throw new InvalidArgumentError("objects and -f can't be used together");
  return readManifests(options.filename).map((raw) => ({
    kind: raw.kind,
    namespace: raw.metadata.namespace ?? options.namespace,
    names: [raw.metadata.name],
    selector: {},
    all: false,
  }));
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
      if (kind.field === "labels") refuseBadLabels(changes);
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
    .option("--replicas <n>", "how many", replicaCount)
    .option("-n, --namespace <name>", "namespace", "default")
    .action(
      async (
        words: string[],
        options: { replicas?: number; namespace: string },
        command: Command,
      ) => {
        const last = words.at(-1) ?? "";
        const trailing = options.replicas === undefined && /^\d+$/.test(last);
        const replicas = trailing ? replicaCount(last) : options.replicas;
        if (replicas === undefined)
          throw new InvalidArgumentError("say how many: scale deploy/NAME 3");
        const named = trailing ? words.slice(0, -1) : words;
        for (const target of parseTargets(named, options))
          await ask(command, terminal, { verb: "scale", target, replicas });
      },
    );
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
