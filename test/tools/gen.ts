/**
 * `npm run gen`, `npm run gen:check`: writes (or with --check compares) the generated files that need only
 * what npm installs. What needs clang is `npm run build:bpf`.
 */
import { runStep, type Step } from "./steps.ts";

const check = process.argv.includes("--check") ? ["--check"] : [];

const STEPS: readonly Step[] = [
  // First: docs/reference.md asks the programs that import it.
  {
    name: "completion of the simulator's commands",
    target: "test/tools/gen-sim-levels.ts",
    command: ["bin/run", "test/tools/gen-sim-levels.ts", ...check],
  },
  {
    name: "docs/metrics.md",
    target: "test/tools/gen-metrics-doc.ts",
    command: ["bin/run", "test/tools/gen-metrics-doc.ts", ...check],
  },
  {
    name: "docs/http.md",
    target: "test/tools/gen-http-doc.ts",
    command: ["bin/run", "test/tools/gen-http-doc.ts", ...check],
  },
  {
    name: "docs/reference.md",
    target: "test/tools/gen-reference.ts",
    command: ["bin/run", "test/tools/gen-reference.ts", ...check],
  },
  {
    name: "the Helm chart",
    target: "deploy/manifests/helm/main.ts",
    command: ["bin/run", "deploy/manifests/helm/main.ts", ...check],
  },
  {
    name: "the dashboards",
    target: "deploy/grafana/main.ts",
    command: ["bin/run", "deploy/grafana/main.ts", ...check],
  },
  {
    name: "Prometheus' rules",
    target: "deploy/prometheus/main.ts",
    command: ["bin/run", "deploy/prometheus/main.ts", ...check],
  },
  {
    name: "the loader's WASM",
    target: "bpf/loader/build.ts",
    command: ["bin/run", "bpf/loader/build.ts", ...check],
  },
  {
    name: "types of the BPF objects",
    target: "bpf/loader/src/generate/main.ts",
    command: [
      "bin/run",
      "bpf/loader/src/generate/main.ts",
      ...check,
      "bpf/connect.bpf.o",
      "bpf/lookup.bpf.o",
      "bpf/sockops.bpf.o",
      "bpf/loader/test/fixtures/kinds.bpf.o",
      "bpf/loader/test/fixtures/shapes.bpf.o",
    ],
  },
];

for (const step of STEPS) {
  const { verdict } = await runStep(step, "on-failure");
  if (verdict !== "ok") process.exitCode = 1;
}
