/** All dashboards. */

import { CONTROL } from "./control.ts";
import { MESH } from "./mesh.ts";
import { NODE } from "./node.ts";
import { PAIR } from "./pair.ts";
import { SERVICE } from "./service.ts";
import type { DashboardSpec } from "./spec.ts";
import { WORKLOAD } from "./workload.ts";

/** In the order in which one looks: from the whole to the one. */
export const DASHBOARDS: readonly DashboardSpec[] = [MESH, SERVICE, WORKLOAD, PAIR, NODE, CONTROL];
