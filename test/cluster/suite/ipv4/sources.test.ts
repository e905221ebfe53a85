/** The Kubernetes source on the cluster's API server, without the mesh: the suite defines its kind itself. */
import { before } from "node:test";
import { TestCluster } from "../../harness/cluster.ts";
import { uninstallMesh } from "../../harness/mesh.ts";
import { sourceTests } from "../kubernetes-source.ts";

const cluster = new TestCluster();
before(() => uninstallMesh(cluster));
sourceTests(() => Promise.resolve(cluster.kubeConfig()));
