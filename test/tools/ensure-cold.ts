/**
 * The part of `.ci/run` that a machine does once: Debian packages, and the programs of test clusters (some 25 CPU
 * minutes of Go). With warm caches it takes a second.
 */
import { ensureBinaries } from "../cluster/build/binaries.ts";
import { ensurePackages, type Need } from "./debian-packages.ts";

const NEEDS: readonly Need[] = ["test", "ci", "cluster"];

const say = (line: string): void => console.log(line);
for (const need of NEEDS) ensurePackages(need, say);
await ensureBinaries(["kubernetes", "coredns", "helm", "adapter", "prometheus"], say);
