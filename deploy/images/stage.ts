/** Lays out an image's files in a folder. */

import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { librariesOf } from "./elf.ts";
import { packageFiles, programFiles } from "./packages.ts";
import { HOME, type ImagePlan } from "./plan.ts";

const PASSWD = "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";
const GROUP = "root:x:0:\nnonroot:x:65532:\n";
/** glibc asks files, then DNS. */
const NSSWITCH = "hosts: files dns\n";
const READ = 0o644;
const RUN = 0o755;

/** Where things are taken from. */
export interface StageSources {
  /** The checkout. */
  readonly root: string;
  /** The pinned Node. */
  readonly node: string;
  /** The commit that the checkout is of; undefined when nobody knows. */
  readonly revision: string | undefined;
}

/**
 * Fills the empty folder `into`. Returns the files, as paths in it, that all images of one Node share. Throws with the name
 * of what is missing.
 */
export function stageImage(
  plan: ImagePlan,
  { root, node, revision }: StageSources,
  into: string,
): readonly string[] {
  const stage = new Stage(into);
  stage.node(node);
  const shared = stage.files;
  const { sources, packages, workspaces } = programFiles(root, plan.entries);
  for (const path of [...sources, ...plan.data])
    stage.copy(join(root, path), `${HOME}/${path}`, READ);
  stage.text(packageJson(root, revision), `${HOME}/package.json`);
  for (const name of packages) {
    const folder = realpathSync(join(root, "node_modules", name));
    for (const path of packageFiles(folder))
      stage.copy(join(folder, path), `${HOME}/node_modules/${name}/${path}`, READ);
  }
  // Node strips types outside of node_modules only: the loader stays where it is and is linked to.
  for (const [name, folder] of Object.entries(workspaces))
    stage.link(`../${folder}`, `${HOME}/node_modules/${name}`);
  for (const { file } of plan.programs) stage.program(file);
  for (const [link, target] of Object.entries(plan.links)) stage.link(target, link);
  stage.text(PASSWD, "/etc/passwd");
  stage.text(GROUP, "/etc/group");
  stage.text(NSSWITCH, "/etc/nsswitch.conf");
  // Mount points of what Kubernetes brings; the root file system is read-only.
  for (const folder of ["/tmp", "/proc", "/sys", "/dev", "/var/run/nodemesh", "/run"])
    stage.folder(folder);
  return shared;
}

/** The checkout's, with its commit in the field that npm has for it. */
function packageJson(root: string, revision: string | undefined): string {
  const own = z.looseObject({}).parse(JSON.parse(readFileSync(join(root, "package.json"), "utf8")));
  const all = revision === undefined ? own : { ...own, gitHead: revision };
  return `${JSON.stringify(all, undefined, 2)}\n`;
}

class Stage {
  readonly #into: string;
  readonly #files = new Set<string>();

  constructor(into: string) {
    this.#into = into;
  }

  /** What was placed so far. */
  get files(): readonly string[] {
    return [...this.#files];
  }

  copy(from: string, to: string, mode: number): void {
    const path = this.#place(to);
    copyFileSync(from, path);
    chmodSync(path, mode);
  }

  text(text: string, to: string): void {
    const path = this.#place(to);
    writeFileSync(path, text);
    chmodSync(path, READ);
  }

  link(target: string, at: string): void {
    symlinkSync(target, this.#place(at));
  }

  folder(at: string): void {
    mkdirSync(join(this.#into, at), { recursive: true, mode: RUN });
  }

  /** Without its debugger's symbols (33 of 150 MB); what addons link to is kept. */
  node(from: string): void {
    const path = this.#place(`${HOME}/node`);
    execFileSync("strip", ["--strip-unneeded", "-o", path, from]);
    chmodSync(path, RUN);
    this.#libraries(from);
  }

  program(file: string): void {
    this.copy(file, file, RUN);
    this.#libraries(file);
  }

  #libraries(file: string): void {
    for (const library of librariesOf(file)) {
      const path = this.#place(library);
      cpSync(realpathSync(library), path);
      chmodSync(path, RUN);
    }
  }

  #place(at: string): string {
    const path = join(this.#into, at);
    mkdirSync(dirname(path), { recursive: true, mode: RUN });
    this.#files.add(join(".", at));
    return path;
  }
}
