/** Control's replicas on the cluster's API server, run in this process. */

import { TestCluster } from "../../harness/cluster.ts";
import { replicaTests } from "../control-replica.ts";

replicaTests(() => Promise.resolve(new TestCluster().kubeConfig()));
