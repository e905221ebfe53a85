import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { stringify } from "yaml";
import { ruleFiles } from "./render.ts";
import { ALERTS } from "./rules.ts";

/** Series of a case: a value a minute in promtool's notation (`0+60x10`: from 0, 60 more each time, ten times). */
type Input = Readonly<Record<string, string>>;

interface Case {
  /** Makes the alert fire after ten minutes. */
  readonly fires: Input;
  /** Does not. */
  readonly quiet: Input;
  /** Labels of the firing alert beside its severity. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What it says. */
  readonly says: string;
}

const SERVICE = 'reporter="destination",src_namespace="a",dst_service="shop/order"';

const CASES: Readonly<Record<string, Case>> = {
  NodemeshControlLeaderless: {
    says: "No replica of nodemesh's control leads.",
    fires: { 'nodemesh_control_leader{instance="c"}': "0x20" },
    quiet: {
      'nodemesh_control_leader{instance="c"}': "1x20",
      'nodemesh_control_leader{instance="d"}': "0x20",
    },
  },
  NodemeshAgentDisconnected: {
    says: "2 agents of nodemesh are not connected to control.",
    fires: { 'nodemesh_control_agents{state="disconnected"}': "2x20" },
    quiet: { 'nodemesh_control_agents{state="disconnected"}': "0 0 0 0 0 0 0 0 1 1 0" },
  },
  NodemeshAgentBehind: {
    says: "1 agents of nodemesh have not taken the newest snapshot.",
    fires: { 'nodemesh_control_agents{state="behind"}': "1x20" },
    quiet: { 'nodemesh_control_agents{state="current"}': "5x20" },
  },
  NodemeshSnapshotOld: {
    says: "The agent n has not heard of control for 600 s.",
    fires: { 'nodemesh_snapshot_age_seconds{instance="n"}': "0+60x20" },
    quiet: { 'nodemesh_snapshot_age_seconds{instance="n"}': "10x20" },
    labels: { instance: "n" },
  },
  NodemeshPassedBy: {
    says: "Connections passed without the mesh on n.",
    fires: { 'nodemesh_kernel_events_total{instance="n",event="inbound-dead-direct"}': "0+1x20" },
    quiet: { 'nodemesh_kernel_events_total{instance="n",event="inbound-caught"}': "0+9x20" },
    labels: { instance: "n", event: "inbound-dead-direct" },
  },
  NodemeshFallsBack: {
    says: "Connections to shop/order went to its ClusterIP, past the mesh.",
    fires: { 'nodemesh_cluster_ip_fallbacks_total{dst_service="shop/order"}': "0+1x20" },
    quiet: { 'nodemesh_cluster_ip_fallbacks_total{dst_service="shop/order"}': "7x20" },
    labels: { dst_service: "shop/order" },
  },
  NodemeshServiceFails: {
    says: "10% of the requests to shop/order fail.",
    fires: {
      [`nodemesh_http_requests_total{${SERVICE},code="200"}`]: "0+540x20",
      [`nodemesh_http_requests_total{${SERVICE},code="503"}`]: "0+60x20",
    },
    quiet: {
      [`nodemesh_http_requests_total{${SERVICE},code="200"}`]: "0+600x20",
      [`nodemesh_http_requests_total{${SERVICE},code="404"}`]: "0+600x20",
    },
    labels: { dst_service: "shop/order" },
  },
  NodemeshRefuses: {
    says: "The mesh refuses requests to shop/order: no-endpoints.",
    fires: {
      'nodemesh_refused_total{reporter="source",dst_service="shop/order",reason="no-endpoints"}':
        "0+120x20",
    },
    quiet: {
      'nodemesh_refused_total{reporter="source",dst_service="shop/order",reason="no-endpoints"}':
        "0+6x20",
    },
    labels: { dst_service: "shop/order", reason: "no-endpoints" },
  },
  NodemeshMetricsOverflow: {
    says: "The agent n has no room for more series.",
    fires: { 'nodemesh_series_overflowed_total{instance="n"}': "0+1x20" },
    quiet: { 'nodemesh_series_overflowed_total{instance="n"}': "0x20" },
    labels: { instance: "n" },
  },
  NodemeshAccessLogDrops: {
    says: "The agent n loses lines of the access log.",
    fires: { 'nodemesh_access_log_dropped_total{instance="n"}': "0+5x20" },
    quiet: { 'nodemesh_access_log_dropped_total{instance="n"}': "5x20" },
    labels: { instance: "n" },
  },
  NodemeshCompileFails: {
    says: "Control of nodemesh cannot compile the cluster's state.",
    fires: { 'nodemesh_control_compile_failures_total{instance="c"}': "0+1x20" },
    quiet: { 'nodemesh_control_compile_failures_total{instance="c"}': "0x20" },
    labels: { instance: "c" },
  },
  NodemeshStrangersAtControl: {
    says: "Somebody who is no agent asks control for its snapshot: unknown-token.",
    fires: { 'nodemesh_control_agents_refused_total{reason="unknown-token"}': "0+5x20" },
    quiet: { 'nodemesh_control_agents_refused_total{reason="unknown-token"}': "0 1 2 2 2 2 2 2 2" },
    labels: { reason: "unknown-token" },
  },
};

let directory: string;

before(() => {
  directory = mkdtempSync(join(tmpdir(), "nodemesh-rules-"));
  for (const [name, text] of Object.entries(ruleFiles()))
    writeFileSync(join(directory, name), text);
});
after(() => rmSync(directory, { recursive: true }));

function promtool(...words: readonly string[]): string {
  return execFileSync("promtool", words, { cwd: directory, encoding: "utf8" });
}

test("promtool takes the file of rules", () => {
  assert.match(promtool("check", "rules", "nodemesh.rules.yaml"), /SUCCESS: 15 rules found/);
});

test("every alert says what is so, and what to do", () => {
  for (const { alert, summary, description } of ALERTS) {
    assert.match(alert, /^Nodemesh[A-Z]/);
    assert.ok(summary.endsWith(".") && description.endsWith(".") && description.length > 40, alert);
  }
});

describe("alerts", () => {
  for (const { alert, severity, description } of ALERTS)
    test(`${alert} fires when it shall, and does not when not`, () => {
      const one = CASES[alert];
      assert.ok(one !== undefined, `${alert} has no case`);
      const exp_labels = { severity, ...(one.labels ?? {}) };
      const exp_annotations = { summary: one.says, description };
      const tests = (["fires", "quiet"] as const).map((kind) => ({
        interval: "1m",
        input_series: Object.entries(
          kind === "quiet" ? withLeader(alert, one.quiet) : one.fires,
        ).map(([series, values]) => ({ series, values })),
        alert_rule_test: [
          {
            eval_time: "10m",
            alertname: alert,
            exp_alerts: kind === "quiet" ? [] : [{ exp_labels, exp_annotations }],
          },
        ],
      }));
      const file = join(directory, `${alert}.yaml`);
      const rule_files = [join(directory, "nodemesh.rules.yaml")];
      writeFileSync(file, stringify({ rule_files, evaluation_interval: "1m", tests }));
      assert.match(promtool("test", "rules", file), /SUCCESS/);
    });
});

/** Where nobody leads is an alert by itself: a quiet world has a leader. */
function withLeader(alert: string, input: Input): Input {
  return alert === "NodemeshControlLeaderless"
    ? input
    : { ...input, 'nodemesh_control_leader{instance="c"}': "1x20" };
}
