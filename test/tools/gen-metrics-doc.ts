/** Writes docs/metrics.md from the table of metrics: `bin/run test/tools/gen-metrics-doc.ts`. */

import { writeFileSync } from "node:fs";
import { renderMetricsDoc } from "../../agent/telemetry/docs.ts";

writeFileSync(new URL("../../docs/metrics.md", import.meta.url), renderMetricsDoc());
