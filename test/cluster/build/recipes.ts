/**
 * What a test cluster is built from: per family the version, its locked Go module (folder of this name under recipes/, with
 * go.mod and go.sum), and how the result is recognized.
 */

/** What can be asked for. */
export type Family = "kubernetes" | "coredns" | "helm" | "kwok";

/** How one family is built and checked. */
export interface Recipe {
  readonly family: Family;
  /** The version that go.mod locks; every program must print it. */
  readonly version: string;
  /** What `go build` compiles: a package path, or "." for the recipe's own main.go. */
  readonly target: string;
  /** Linker variables (-X) that stamp the version. */
  readonly stamps: Readonly<Record<string, string>>;
  /** Name of each program, and the arguments with which it prints its version. All are names of one binary. */
  readonly programs: Readonly<Record<string, readonly string[]>>;
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
