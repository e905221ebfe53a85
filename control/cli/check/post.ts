/** Whether the installed mesh is well: facts to findings. Pure. */

import { X509Certificate } from "node:crypto";
import { certificatesIn } from "../../tls/roots.ts";
import { listField, textField } from "../cluster.ts";
import { type ControlPage, type MeshPod, tagOf } from "../mesh-facts.ts";
import { installStep, mendStep } from "../next-steps.ts";
import { agentFindings, silenceStep } from "./agent-findings.ts";
import { type Finding, fail, pass, warn } from "./finding.ts";
import {
  type AgentFacts,
  type Found,
  type PostFacts,
  rollout,
  templateImages,
} from "./post-facts.ts";
import { installedElsewhere, secondFindings } from "./pre.ts";
import type { NodeFacts, PreFacts } from "./pre-facts.ts";

/** A Lease that its holder did not renew for this long has no leader; see control/leader. */
const STALE_LEASE_MS = 15_000;
/** A watch without a word is asked for anew after 150 s, and answered within 30; see control/k8s/reflector.ts. */
const MAX_UNHEARD_MS = 180_000;

/** A CA that ends within this is told: whoever replaces it must plan to. */
const RENEW_CA_MS = 90 * 24 * 3_600_000;
const WORKLOADS = ["deployment/nodemesh-control", "daemonset/nodemesh-agent"] as const;
/** Objects of one version that are named; the rest is counted. */
const MAX_HOLDERS = 3;

/** What was asked before anything of the mesh. */
export type Surroundings = Pick<PreFacts, "nodes" | "serverTime" | "daemonSets">;

/** Every line of `check`. */
export function postFindings(facts: PostFacts, around: Surroundings): readonly Finding[] {
  const { namespace } = facts;
  if (facts.deployment.kind === "absent" && facts.daemonSet.kind === "absent")
    return [absenceFinding(namespace, around)];
  return [
    ...secondFindings(around.daemonSets, namespace),
    definitionFinding(facts),
    rolloutFinding(WORKLOADS[0], facts.deployment, namespace),
    rolloutFinding(WORKLOADS[1], facts.daemonSet, namespace),
    ...versionFindings(facts),
    rootFinding(facts, around.serverTime),
    leaderFinding(facts, around.serverTime),
    ...controlFindings(facts),
    ...nodeFindings(facts, around.nodes),
    ...conditionFindings(facts),
  ];
}

/**
 * Whether anything of the mesh was made within the last `withinMs`, as after an installation or in the middle of an
 * update, or became ready or ceased to be, as a node and its pods do when it boots: then what fails may come right by
 * itself. A container that fails again and again changes neither. `serverTime`: the clock that wrote these times.
 */
export function isComingUp(
  facts: PostFacts,
  { nodes, serverTime }: Pick<Surroundings, "nodes" | "serverTime">,
  withinMs: number,
): boolean {
  const { deployment, daemonSet, control, agents } = facts;
  const workloads = [deployment, daemonSet].map((found) =>
    found.kind === "found" ? textField(found.object, "metadata", "creationTimestamp") : "",
  );
  const pods = [...control, ...agents].flatMap(({ pod }) => [pod.created, pod.turned]);
  const turned = typeof nodes === "string" ? [] : nodes.map((node) => node.turned);
  const since = (serverTime?.getTime() ?? Infinity) - withinMs;
  return [...workloads, ...pods, ...turned].some((text) => Date.parse(text) > since);
}

function absenceFinding(namespace: string, { daemonSets }: Surroundings): Finding {
  const [other] = installedElsewhere(daemonSets, namespace);
  const step =
    other === undefined
      ? `${installStep(namespace)}; or name another --namespace`
      : `it is in namespace ${other}: nodemesh check -n ${other}`;
  return fail(`namespace/${namespace}`, "nodemesh is not installed in it", step);
}

/** The finding about an object that could not be read; undefined when it was. */
function missing(subject: string, found: Found, nextStep: string): Finding | undefined {
  if (found.kind === "found") return undefined;
  if (found.kind === "absent") return fail(subject, "is not there", nextStep);
  return fail(subject, `could not be read: ${found.problem}`, "ask for the permission to read it");
}

function definitionFinding({ definition: found, namespace }: PostFacts): Finding {
  const subject = "customresourcedefinition/servicemeshes.linkerd.io";
  const lacks = missing(subject, found, mendStep(namespace));
  if (lacks !== undefined || found.kind !== "found") return lacks ?? pass(subject, "");
  const established = listField(found.object, "status", "conditions").some(
    (one) => textField(one, "type") === "Established" && textField(one, "status") === "True",
  );
  if (established) return pass(subject, "established");
  return fail(subject, "is not established", `kubectl describe ${subject}: its conditions say why`);
}

function rolloutFinding(subject: string, found: Found, namespace: string): Finding {
  const lacks = missing(subject, found, mendStep(namespace));
  if (lacks !== undefined || found.kind !== "found") return lacks ?? pass(subject, "");
  const { desired, updated, ready, observed } = rollout(found.object);
  if (desired === 0)
    return warn(
      subject,
      "wants no pod",
      `see kubectl -n ${namespace} describe ${subject}: no node suits it, or it was scaled to 0`,
    );
  const detail = `${ready} of ${desired} ready, ${updated} updated`;
  if (observed && ready >= desired && updated >= desired) return pass(subject, detail);
  const step = `kubectl -n ${namespace} rollout status ${subject}; then kubectl -n ${namespace} get pods and describe those not ready`;
  return fail(subject, observed ? detail : `${detail}; the newest change was not seen yet`, step);
}

/** What was asked for, what runs, and this command, which knows the pages of its own version. */
function versionFindings(facts: PostFacts): readonly Finding[] {
  const holders = versionHolders(facts);
  const byTag = Object.entries(Object.groupBy(holders, ({ tag }) => tag));
  // Of what could not be read other lines tell.
  if (byTag.length <= 1)
    return byTag.map(([tag]) => pass("versions", `control, agents and this command are of ${tag}`));
  const words = byTag.map(([tag, all = []]) => {
    const more = all.length > MAX_HOLDERS ? ` and ${all.length - MAX_HOLDERS} more` : "";
    return `${tag} (${all
      .slice(0, MAX_HOLDERS)
      .map(({ holder }) => holder)
      .join(", ")}${more})`;
  });
  return [
    warn(
      "versions",
      `differ: ${words.join(", ")}`,
      `${mendStep(facts.namespace)}, with the nodemesh of the version that you want`,
    ),
  ];
}

function versionHolders(
  facts: PostFacts,
): readonly { readonly holder: string; readonly tag: string }[] {
  const { deployment, daemonSet, control, agents, ownVersion } = facts;
  const wanted = [deployment, daemonSet].flatMap((found, at) =>
    found.kind === "found"
      ? templateImages(found.object).map((image) => ({ holder: WORKLOADS[at] ?? "", image }))
      : [],
  );
  const running = [...control, ...agents]
    .filter(({ pod }) => !pod.terminating)
    .flatMap(({ pod }) => pod.images.map((image) => ({ holder: `pod/${pod.name}`, image })));
  const installed = [...wanted, ...running].map(({ holder, image }) => ({
    holder,
    tag: tagOf(image),
  }));
  // A tag of somebody's own, or a digest, says nothing that could be compared with a version.
  const comparable = installed.some(({ tag }) => /^\d+\.\d+\.\d+/.test(tag));
  return comparable ? [...installed, { holder: "this command", tag: ownVersion }] : installed;
}

/** The age of the mesh's CA: control shows agents certificates of it that live a day at most. */
function rootFinding({ root, namespace }: PostFacts, serverTime: Date | undefined): Finding {
  const subject = "configmap/nodemesh-root";
  const step = `control makes it when it starts: kubectl -n ${namespace} logs deployment/nodemesh-control`;
  const lacks = missing(subject, root, step);
  if (lacks !== undefined || root.kind !== "found") return lacks ?? pass(subject, "");
  // The one that signs comes first; others are of a CA that was replaced.
  const [newest, ...others] = certificatesIn(textField(root.object, "data", "ca.crt"));
  if (newest === undefined)
    return fail(
      subject,
      "data[ca.crt] is no certificate",
      `kubectl -n ${namespace} delete ${subject}: control writes it anew`,
    );
  const { validFromDate, validToDate } = new X509Certificate(newest);
  const life = `the mesh's CA is valid from ${day(validFromDate)} to ${day(validToDate)}`;
  const detail = others.length === 0 ? life : `${life}; agents are told of ${others.length} more`;
  const left = validToDate.getTime() - (serverTime?.getTime() ?? 0);
  if (serverTime === undefined || left > RENEW_CA_MS) return pass(subject, detail);
  const verdict = left > 0 ? warn : fail;
  return verdict(
    subject,
    detail,
    `put another one into secret/nodemesh-ca (kubectl -n ${namespace} create secret tls nodemesh-ca --cert=FILE --key=FILE --dry-run=client -o yaml | kubectl apply -f -), then: kubectl -n ${namespace} rollout restart deployment/nodemesh-control`,
  );
}

function day(time: Date): string {
  return time.toISOString().slice(0, 10);
}

function leaderFinding({ lease, namespace }: PostFacts, serverTime: Date | undefined): Finding {
  const subject = "lease/nodemesh-control";
  const step = `kubectl -n ${namespace} logs deployment/nodemesh-control`;
  const lacks = missing(subject, lease, step);
  if (lacks !== undefined || lease.kind !== "found") return lacks ?? pass(subject, "");
  const holder = textField(lease.object, "spec", "holderIdentity");
  if (holder === "") return fail(subject, "nobody leads", step);
  const age =
    (serverTime?.getTime() ?? 0) - Date.parse(textField(lease.object, "spec", "renewTime"));
  if (serverTime !== undefined && age > STALE_LEASE_MS)
    return fail(subject, `${holder} did not renew it for ${Math.round(age / 1000)} s`, step);
  return pass(subject, `${holder} leads`);
}

function controlFindings({ control, namespace }: PostFacts): readonly Finding[] {
  return control
    .filter(({ pod }) => !pod.terminating)
    .map(({ pod, page }) => {
      const subject = `pod/${pod.name}`;
      if (page.kind === "page") return replicaFinding(namespace, pod.name, page.value);
      if (!pod.ready && pod.trouble !== "") return brokenFinding(namespace, subject, pod);
      return fail(
        subject,
        `does not tell its status: ${page.problem}`,
        silenceStep(namespace, pod, page.cause),
      );
    });
}

/** Its container does not run: nobody can answer, and why is known. */
function brokenFinding(namespace: string, subject: string, { name, trouble }: MeshPod): Finding {
  return fail(
    subject,
    `is not ready: ${trouble}`,
    `kubectl -n ${namespace} describe pod ${name}; kubectl -n ${namespace} logs ${name} --previous`,
  );
}

/** A replica that does not follow the API goes on serving what it knew, so its agents notice nothing. */
function replicaFinding(namespace: string, name: string, page: ControlPage): Finding {
  const subject = `pod/${name}`;
  const { snapshot, agents, resources } = page;
  const step = `kubectl -n ${namespace} logs ${name} (cannot-follow); if another replica is well, kubectl -n ${namespace} delete pod ${name}: its agents go there`;
  const lost = resources.filter(({ heardMsAgo = Infinity }) => heardMsAgo > MAX_UNHEARD_MS);
  const troubled = resources.filter(({ trouble }) => trouble !== undefined);
  const why = troubled[0]?.trouble ?? "the API server says nothing";
  if (lost.length > 0)
    return fail(
      subject,
      `has not followed ${namesOf(lost)} for over ${MAX_UNHEARD_MS / 60_000} minutes: ${why}`,
      step,
    );
  if (troubled.length > 0) return warn(subject, `can't follow ${namesOf(troubled)}: ${why}`, step);
  const connected = agents.filter((agent) => agent.connected).length;
  return pass(subject, `snapshot ${snapshot.version}, ${connected} agents connected`);
}

function namesOf(resources: ControlPage["resources"]): string {
  return resources.map(({ resource }) => resource).join(", ");
}

function nodeFindings(facts: PostFacts, nodes: readonly NodeFacts[] | string): readonly Finding[] {
  if (typeof nodes === "string")
    return [fail("nodes", `could not be listed: ${nodes}`, "ask for the permission to list nodes")];
  return nodes
    .filter(({ os }) => os === "linux")
    .flatMap((node) => {
      const agent = facts.agents.find(({ pod }) => pod.node === node.name && !pod.terminating);
      const subject = `node/${node.name}`;
      if (agent === undefined)
        return [
          fail(
            subject,
            "has no agent",
            `kubectl -n ${facts.namespace} describe daemonset nodemesh-agent: its events say why`,
          ),
        ];
      const findings = [
        streamFinding(facts, node, agent),
        ...agentFindings(facts.namespace, node, agent),
      ];
      const wrong = findings.filter(({ verdict }) => verdict !== "pass");
      return wrong.length > 0
        ? wrong
        : [pass(subject, findings.map(({ detail }) => detail).join("; "))];
    });
}

/** An agent's stream ends at one of the replicas; the newest word of each is compared with that replica's own version. */
function streamFinding(
  { control, namespace }: PostFacts,
  { name }: NodeFacts,
  { pod, page }: AgentFacts,
): Finding {
  const subject = `node/${name}`;
  const logs = `kubectl -n ${namespace} logs ${pod.name}`;
  const views = control.flatMap(({ page }) => (page.kind === "page" ? [page.value] : []));
  if (views.length === 0)
    return warn(
      subject,
      `no replica of control tells whether the agent is connected${goingOn(page)}`,
      "see the lines of control above; docs/control-away.md says what goes on without it",
    );
  for (const { agents, snapshot } of views) {
    const state = agents.find(({ node, connected }) => node === name && connected);
    if (state === undefined) continue;
    const { acked, nacks } = state;
    if (acked?.epoch === snapshot.epoch && acked.version >= snapshot.version)
      return pass(subject, `snapshot ${acked.version} enforced`);
    const [nack] = nacks;
    if (nack?.version === snapshot.version)
      return fail(
        subject,
        `refused snapshot ${nack.version}: ${nack.field}: ${nack.problem}`,
        `report this with the output of ${logs}`,
      );
    const behind =
      acked?.epoch === snapshot.epoch
        ? `enforces snapshot ${acked.version}`
        : "enforces none of this replica's snapshots";
    return fail(
      subject,
      `${behind}, the newest is ${snapshot.version}`,
      `run again; if it stays so: ${logs}`,
    );
  }
  return fail(
    subject,
    `its agent ${pod.name} has no stream to control`,
    `${logs}: it says why control refused it or can't be reached`,
  );
}

/** By what an agent goes on while control is away, by its own word. */
function goingOn(page: AgentFacts["page"]): string {
  if (page.kind === "none" || page.value.snapshot.version === 0) return "";
  const { version, ageSeconds } = page.value.snapshot;
  return `: it goes on with snapshot ${version}, which control last confirmed ${Math.round(ageSeconds)} s ago`;
}

/** Every replica sees the same objects: the first that tells is asked. */
function conditionFindings({ control }: PostFacts): readonly Finding[] {
  const page = control.map((one) => one.page).find(({ kind }) => kind === "page");
  if (page?.kind !== "page") return [];
  const { conditions, conditionCount } = page.value;
  if (conditionCount === 0)
    return [pass("objects", "nothing is wrong with annotations, Services and ServiceMeshes")];
  const lines = conditions.map(({ ref, field: where, problem, nextStep }) => {
    const object = `${ref.kind.toLowerCase()}/${ref.name}${ref.namespace === "" ? "" : ` in namespace ${ref.namespace}`}`;
    return warn(object, where === "" ? problem : `${where}: ${problem}`, nextStep);
  });
  const more = conditionCount - conditions.length;
  return more > 0
    ? [
        ...lines,
        warn(
          "objects",
          `${more} more conditions`,
          "kubectl get events -A --field-selector source=nodemesh-control",
        ),
      ]
    : lines;
}
