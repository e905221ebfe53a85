import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { parseAllDocuments, type YAMLMap } from "yaml";
import { installObjects } from "../../deploy/manifests/objects.ts";
import type { CliContext } from "./context.ts";
import { addInstall, optionsOf, yamlOf } from "./install.ts";

function chosen(...set: readonly string[]): ReturnType<typeof optionsOf> {
  return optionsOf({ namespace: "nodemesh", set });
}

test("--set gives values of the option's type, the last one of several, and leaves the rest", () => {
  const { agent, image } = chosen("agent.workers=2", "agent.workers=3", "agent.requests.cpu=2");
  assert.equal(agent.workers, 3);
  assert.deepEqual(agent.requests, { cpu: "2", memory: "192Mi" });
  assert.equal(image.tag, chosen().image.tag);
  assert.equal(chosen("grafana.dashboards=true").grafana.dashboards, true);
  assert.equal(
    chosen("grafana.dashboards=true", "grafana.dashboards=false").grafana.dashboards,
    false,
  );
  const release = chosen("prometheus.labels.release=kps", "prometheus.labels.example.com/a=b");
  assert.deepEqual(release.prometheus.labels, { release: "kps", "example.com/a": "b" });
  assert.deepEqual(chosen("prometheus.labels={a: b}").prometheus.labels, { a: "b" });
  // Only the first = parts the key from the value.
  assert.throws(() => chosen("image.tag=a=b"), /option image\.tag: must be an image tag/);
});

test("what --set can't read is refused with the key and the next step", () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["agent.workers", /--set agent\.workers: expected KEY=VALUE/],
    ["=2", /--set =2: expected KEY=VALUE/],
    ["", /--set : expected KEY=VALUE/],
    ["agent.workers=", /option agent\.workers: .*--help/],
    ["agent.workers= ", /option agent\.workers: .*--help/],
    ["agent.workers=two", /option agent\.workers: .*--help/],
    ["image.tag=", /option image\.tag: must be an image tag/],
    ["agent.requests.cpu=", /option agent\.requests\.cpu: must be a quantity/],
    ["grafana.dashboards=yes", /option grafana\.dashboards: must be true or false/],
    ["prometheus.labels.a b=c", /option prometheus\.labels\.a b: is no key of Kubernetes/],
    ["prometheus.labels.a=b c", /option prometheus\.labels\.a: must be at most 63 letters/],
    ["prometheus.labels=a", /option prometheus\.labels: /],
    [
      "prometheus.labels.app.kubernetes.io/name=x",
      /option prometheus\.labels\.app\.kubernetes\.io\/name: is nodemesh's own/,
    ],
    ["agent=2", /--set agent: there is no such option/],
    [
      "agent.worker=2",
      /--set agent\.worker: there is no such option; did you mean agent\.workers\?/,
    ],
    ["agent.workers.more=2", /there is no such option/],
    ["__proto__.x=2", /there is no such option/],
  ];
  for (const [word, words] of wrong) assert.throws(() => chosen(word), words, word);
});

/** The process's doors, with no cluster behind them. */
function alone(out: (text: string) => void): CliContext {
  const fail = (): void => assert.fail("no command here fails that way");
  const paint = (_: string, text: string): string => text;
  return { out, env: { HOME: "/nonexistent" }, now: () => new Date(), fail, paint };
}

test("install takes several --set, together and apart, and notes them for upgrades", async () => {
  const printed: string[] = [];
  const program = new Command("nodemesh");
  addInstall(
    program,
    alone((text) => printed.push(text)),
    (line) => assert.fail(line),
  );
  const words = ["agent.workers=2", "control.replicas=3", "image.tag=9"];
  const [first = "", ...rest] = words;
  await program.parseAsync(["install", "--set", first, "--set", ...rest], { from: "user" });
  assert.equal(printed.length, 1);
  assert.ok(printed[0]?.includes(`nodemesh/options: '${JSON.stringify(words)}'`));
  assert.match(printed[0] ?? "", /replicas: 3/);
});

test("a text stays one to kubectl, which reads YAML 1.1", () => {
  const odd = ["yes", "off", "1_0", "0x1f", "012", "1e3", "null", "2001-01-01", "1.5"];
  const labels = Object.fromEntries(odd.map((text, index) => [`l${index}`, text]));
  const set = ["agent.workers=1", `agent.podLabels=${JSON.stringify(labels)}`];
  const printed = yamlOf(installObjects(optionsOf({ namespace: "mesh", set })));
  const documents = parseAllDocuments(printed, { version: "1.1" });
  const agents = documents.find((one) => one.get("kind") === "DaemonSet");
  const read = agents?.getIn(["spec", "template", "metadata", "labels"]) as YAMLMap;
  assert.deepEqual({ ...read.toJSON(), ...labels }, read.toJSON());
});

test("uninstall says beside its objects what goes with them", async () => {
  const said = async (...flags: readonly string[]): Promise<{ out: string; told: string }> => {
    const [out, told]: [string[], string[]] = [[], []];
    const program = new Command("nodemesh");
    addInstall(
      program,
      alone((text) => out.push(text)),
      (line) => told.push(line),
    );
    await program.parseAsync(["uninstall", ...flags], { from: "user" });
    return { out: out.join("\n"), told: told.join("\n") };
  };
  const all = await said();
  assert.match(all.told, /every ServiceMesh of the cluster/);
  assert.match(all.told, /namespace\/nodemesh goes with everything in it/);
  assert.match(all.out, /^kind: Namespace$/m);
  const kept = await said("--keep-namespace", "--namespace", "shared");
  assert.match(kept.told, /namespace\/shared stays/);
  assert.doesNotMatch(kept.out, /^kind: Namespace$/m);
  assert.match(kept.out, /^kind: Lease$/m);
  // Nobody could be asked whether the cluster knows the operator's kinds: kubectl must not stumble over them.
  assert.doesNotMatch(kept.out, /^kind: PodMonitor$/m);
  assert.match(kept.told, /kubectl -n shared delete podmonitor,prometheusrule -l /);
  await assert.rejects(said("--namespace", "kube-public"), /option namespace/);
});
