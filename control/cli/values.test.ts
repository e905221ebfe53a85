import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { optionsOf } from "./install.ts";
import { mergeChosen } from "./upgrade/command.ts";
import { chosenWords } from "./values.ts";

const scratch = mkdtempSync(join(tmpdir(), "nodemesh-values-"));
after(() => rmSync(scratch, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
}

const FIRST = `
image: { tag: "1.10", pullSecrets: [{ name: registry }] }
labels: { team: mesh }
agent:
  workers: 2
  maxUnavailable: 25%
  nodeSelector: { kubernetes.io/os: null, meshed: "true" }
  tolerations:
    - key: dedicated
      operator: Exists
`;

test("a file gives what --set of each of its options gives; later files and --set count more", () => {
  const second = file("second.yaml", "agent: { workers: 3, accessLog: 0.5 }");
  const set = ["agent.accessLog=1", "labels.more=x"];
  const words = chosenWords({ set, values: [file("first.yaml", FIRST), second] });
  const { image, agent, labels } = optionsOf({ namespace: "mesh", set: words });
  assert.equal(image.tag, "1.10");
  assert.deepEqual(image.pullSecrets, [{ name: "registry" }]);
  assert.deepEqual(labels, { team: "mesh", more: "x" });
  assert.deepEqual([agent.workers, agent.accessLog, agent.maxUnavailable], [3, 1, "25%"]);
  assert.deepEqual(agent.nodeSelector, { meshed: "true" });
  assert.deepEqual(agent.tolerations, [{ key: "dedicated", operator: "Exists" }]);
  // An upgrade keeps them by these words.
  const kept = mergeChosen(words, ["agent.workers=4"]);
  const upgraded = optionsOf({ namespace: "mesh", set: kept }).agent;
  assert.deepEqual([upgraded.workers, upgraded.maxUnavailable], [4, "25%"]);
});

test("an empty file says nothing", () => {
  assert.deepEqual(chosenWords({ set: [], values: [file("empty.yaml", "# nothing yet\n")] }), []);
});

test("what a file can't mean is refused with its name, the option and the next step", () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    [
      "agent: { worker: 2 }",
      /wrong\.yaml: agent\.worker: there is no such option; did you mean agent\.workers\?.*--help/,
    ],
    ["agents: { workers: 2 }", /agents: there is no such option/],
    ["agent: 2", /agent: there is no such option/],
    ["image: { tag: 1.10 }", /wrong\.yaml: option image\.tag: .*expected string/],
    [
      "agent: { maxUnavailable: 0% }",
      /option agent\.maxUnavailable: must be .* share from 1% to 100%/,
    ],
    ["agent: { tolerations: [{ effect: Never }] }", /option agent\.tolerations\.0\.effect: /],
    [
      "control: { affinity: { nodeAffinty: {} } }",
      /there is no option control\.affinity\.nodeAffinty/,
    ],
    ["control: { cpuLimit: 10m }", /option control\.cpuLimit: must not be below requests\.cpu/],
    ["agent: { podLabels: { app.kubernetes.io/name: x } }", /is nodemesh's own: take another key/],
    ["image: { agentDigest: sha256:12 }", /option image\.agentDigest: must be sha256: and 64/],
    ["[1]", /must be a map of options/],
    ["a: b: c", /wrong\.yaml: .*line 1/],
  ];
  for (const [text, words] of wrong)
    assert.throws(() => chosenWords({ set: [], values: [file("wrong.yaml", text)] }), words, text);
  const missing = join(scratch, "missing.yaml");
  assert.throws(
    () => chosenWords({ set: [], values: [missing] }),
    /--values .*missing\.yaml: ENOENT/,
  );
});
