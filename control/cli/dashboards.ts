/** `nodemesh dashboards`: writes Grafana's dashboards as files, for a Grafana that takes none from ConfigMaps. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { dashboardFiles } from "../../deploy/manifests/dashboards.ts";

const FOLDER = "nodemesh-dashboards";

/** Adds the command. `print` gets the name of each file. */
export function addDashboards(program: Command, print: (text: string) => void): void {
  program
    .command("dashboards")
    .description("write Grafana's dashboards as files, to import or to provision from")
    .argument("[folder]", "where to; made when it is not there", FOLDER)
    .action((folder: string) => {
      for (const file of writeDashboards(folder)) print(file);
    });
}

/** Writes them, over those that are there; gives the files' names. Throws an Error for the operator. */
function writeDashboards(folder: string): readonly string[] {
  try {
    mkdirSync(folder, { recursive: true });
    return dashboardFiles().map(({ name, text }) => {
      const file = join(folder, name);
      writeFileSync(file, text);
      return file;
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`cannot write dashboards to ${folder} (${why}); name a folder of yours`, {
      cause,
    });
  }
}
