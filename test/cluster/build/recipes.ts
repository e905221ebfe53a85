/**
 * What a test cluster is built from: per family the version, its locked Go module (folder of this name under recipes/, with
 * go.mod and go.sum), and how the result is recognized.
 */

/** What can be asked for. */
export type Family = "kubernetes" | "coredns" | "helm" | "kwok" | "adapter" | "prometheus";

/**
 * How a program says which version it is: the arguments with which it prints it, or by what Go has written into it of
 * the module of its main package.
 */
export type SaysVersion = readonly string[] | "build info";

/** How one family is built and checked. */
export interface Recipe {
  readonly family: Family;
  /** The version that go.mod locks; every program must say it. */
  readonly version: string;
  /** What `go build` compiles: a package path, or "." for the recipe's own main.go. */
  readonly target: string;
  /** Build tags, when some of what it has is left out. */
  readonly tags?: readonly string[];
  /** Linker variables (-X) that stamp the version. */
  readonly stamps: Readonly<Record<string, string>>;
  /** Name of each program, and how it says its version. All are names of one binary. */
  readonly programs: Readonly<Record<string, SaysVersion>>;
  /** CPU time of a first build in minutes, with an empty Go build cache (measured on 2 cores of 2026). */
  readonly cpuMinutes: number;
  /** Free space that a first build needs, Go's build and module caches included, in bytes. */
  readonly freeBytes: number;
}

const KUBERNETES = "v1.34.4";
const HELM = "v3.22.0";

/** Every recipe by its family. */
export const RECIPES: Readonly<Record<Family, Recipe>> = {
  kubernetes: {
    family: "kubernetes",
    version: KUBERNETES,
    target: ".",
    stamps: kubernetesStamps(KUBERNETES),
    programs: {
      "kube-apiserver": ["--version"],
      "kube-controller-manager": ["--version"],
      "kube-scheduler": ["--version"],
      "kube-proxy": ["--version"],
      kubelet: ["--version"],
      kubectl: ["version", "--client"],
    },
    cpuMinutes: 10,
    freeBytes: 5e9,
  },
  coredns: {
    family: "coredns",
    version: "v1.13.1",
    target: ".",
    stamps: {},
    programs: { coredns: ["-version"] },
    cpuMinutes: 3,
    freeBytes: 1.5e9,
  },
  helm: {
    family: "helm",
    version: HELM,
    target: "helm.sh/helm/v3/cmd/helm",
    stamps: {
      "helm.sh/helm/v3/internal/version.version": HELM,
      // What `helm template` takes the cluster for.
      "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": "1",
      "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": "34",
    },
    programs: { helm: ["version", "--short"] },
    cpuMinutes: 4,
    freeBytes: 1.5e9,
  },
  kwok: {
    family: "kwok",
    version: "v0.7.0",
    target: "sigs.k8s.io/kwok/cmd/kwok",
    stamps: { "sigs.k8s.io/kwok/pkg/consts.Version": "v0.7.0" },
    programs: { kwok: ["--version"] },
    cpuMinutes: 4,
    freeBytes: 1.5e9,
  },
  // prometheus-adapter, which has no flag that prints its version.
  adapter: {
    family: "adapter",
    version: "v0.12.0",
    target: "sigs.k8s.io/prometheus-adapter/cmd/adapter",
    stamps: {},
    programs: { adapter: "build info" },
    cpuMinutes: 4,
    freeBytes: 1.5e9,
  },
  // Debian's knows no discovery in Kubernetes; this one no other. Prometheus 3.16, by the number of its Go module.
  prometheus: {
    family: "prometheus",
    version: "v0.316.0",
    target: "github.com/prometheus/prometheus/cmd/prometheus",
    tags: ["remove_all_sd", "enable_kubernetes_sd"],
    stamps: {},
    programs: { prometheus: "build info" },
    cpuMinutes: 5,
    freeBytes: 2e9,
  },
};

function kubernetesStamps(version: string): Readonly<Record<string, string>> {
  const [major = "", minor = ""] = version.slice(1).split(".");
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: "clean" };
  return Object.fromEntries(
    ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((path) =>
      Object.entries(values).map(([name, value]) => [`${path}.${name}`, value]),
    ),
  );
}
