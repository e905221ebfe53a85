/** What a pick costs: `bin/run bench/micro/balance.ts`. Base of the ratio: a naive random index. */

import type { Balance } from "#model/balance.ts";
import type { Endpoint } from "#model/service.ts";
import { EndpointSet } from "../../agent/flow/balance/endpoint-set.ts";
import { NO_KEY } from "../../agent/flow/balance/hash.ts";
import type { LiveEndpoint } from "../../agent/flow/balance/live-endpoint.ts";
import { DEFAULT_BALANCE_SETTINGS } from "../../agent/flow/balance/settings.ts";
import { measure, type Subject, table } from "./measure.ts";

const KINDS: readonly Balance[] = [
  { kind: "random" },
  { kind: "round-robin" },
  { kind: "least-request" },
  { kind: "ewma" },
  { kind: "consistent-hash", key: { kind: "header", name: "x-user" } },
];

function endpoints(count: number): readonly Endpoint[] {
  return Array.from({ length: count }, (_, i) => ({
    address: `10.0.${i >> 8}.${i & 255}`,
    port: 8080,
    state: "ready",
    workload: `pod-${i}`,
  }));
}

function naive(count: number): Subject {
  const list = endpoints(count);
  return {
    name: "naive random index",
    run: (times) => {
      let sum = 0;
      for (let i = 0; i < times; i++)
        sum += list[Math.floor(Math.random() * list.length)]?.port ?? 0;
      return sum;
    },
  };
}

function build(balance: Balance, count: number, affinitySeconds?: number): EndpointSet {
  return new EndpointSet(
    { balance, affinitySeconds, endpoints: endpoints(count) },
    {
      name: "bench",
      settings: DEFAULT_BALANCE_SETTINGS,
      clock: () => performance.now(),
      random: Math.random,
    },
  );
}

/** pick, answered, release: all that one request costs. */
function requests(name: string, set: EndpointSet, tried: readonly LiveEndpoint[] = []): Subject {
  const request = { key: NO_KEY, client: NO_KEY, tried };
  return {
    name,
    run: (times) => {
      let sum = 0;
      for (let i = 0; i < times; i++) {
        request.key = i;
        request.client = i & 255;
        const picked = set.pick(request);
        if (picked.kind === "refusal") return Number.NaN;
        sum += picked.port;
        set.answered(picked, 1.5);
        set.release(picked);
      }
      return sum;
    },
  };
}

for (const count of [3, 50, 1_000]) {
  const sets = KINDS.map((balance) => requests(balance.kind, build(balance, count)));
  const retried = build({ kind: "least-request" }, count);
  const subjects = [
    naive(count),
    ...sets,
    requests("ClientIP affinity", build({ kind: "random" }, count, 60)),
    requests("least-request, a retry", retried, retried.endpoints.slice(0, 1)),
  ];
  const timings = measure(subjects, { times: count === 1_000 ? 5_000 : 100_000 });
  console.log(`\n${count} endpoints (pick + answered + release)\n\n${table(timings)}`);
}
