/** The kernel's decision and the words of the annotations, held together by random wishes and destinations. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { openNetlink } from "../../agent/kernel/netlink.ts";
import { addRoute } from "../../agent/kernel/routes.ts";
import { AF_INET, AF_INET6 } from "../../agent/kernel/socket-constants.ts";
import { cidrContains, parseAddress, parseCidr } from "../../agent/model/address.ts";
import type { Enrolment, PortRange } from "../../agent/model/enrolment.ts";
import type { Child } from "../support/child-calls.ts";
import type { PodProcess } from "../support/pod-process.ts";
import type { RedirectAgent } from "../support/redirect-agent.ts";
import { RedirectLab, workload } from "../support/redirect-lab.ts";

const RUNS = 60;

let lab: RedirectLab;
let agent: Child<RedirectAgent>;
let application: Child<PodProcess>;

before(async () => {
  lab = new RedirectLab();
  application = await lab.process("web");
  agent = await lab.agent();
  // Outside is every address: what is not caught is refused there at once, because nobody listens.
  using netlink = openNetlink(lab.netns("outside"));
  for (const family of [AF_INET, AF_INET6] as const)
    addRoute(netlink, { destination: "default", family, type: "local", device: "lo" });
});

after(() => lab[Symbol.asyncDispose]());

const CIDRS = [
  "10.0.0.0/8",
  "10.96.0.0/12",
  "10.96.0.10/32",
  "0.0.0.0/0",
  "192.168.0.0/16",
  "fd00::/8",
  "fd96::/64",
  "::/0",
];
const ADDRESSES = ["10.96.0.10", "10.97.1.1", "10.1.1.1", "192.168.3.4", "fd96::10", "fc00::1"];

const port = fc.constantFrom(1, 79, 80, 443, 8079, 8080, 8081, 65_535);
const range = fc.tuple(port, port).map(([a, b]): PortRange => {
  return { first: Math.min(a, b), last: Math.max(a, b) };
});
const cidrs = fc.array(fc.constantFrom(...CIDRS), { maxLength: 2 });
const wishes = fc.record({
  excludeOutboundPorts: fc.array(range, { maxLength: 2 }),
  excludeOutboundCidrs: cidrs,
  includeOutboundCidrs: cidrs,
});
const destinations = fc.array(fc.tuple(fc.constantFrom(...ADDRESSES), port), {
  minLength: 5,
  maxLength: 10,
});

/** What product.md promises. */
function isCaught(wish: Pick<Enrolment, keyof WishWords>, host: string, to: number): boolean {
  const within = (texts: readonly string[]): boolean => texts.some((text) => contains(text, host));
  if (wish.excludeOutboundPorts.some(({ first, last }) => first <= to && to <= last)) return false;
  if (within(wish.excludeOutboundCidrs)) return false;
  return wish.includeOutboundCidrs.length === 0 || within(wish.includeOutboundCidrs);
}

interface WishWords {
  readonly excludeOutboundPorts: unknown;
  readonly excludeOutboundCidrs: unknown;
  readonly includeOutboundCidrs: unknown;
}

function contains(cidr: string, host: string): boolean {
  const block = parseCidr(cidr);
  const address = parseAddress(host);
  return block !== undefined && address !== undefined && cidrContains(block, address);
}

test("the kernel catches exactly what the annotations say", async () => {
  await fc.assert(
    fc.asyncProperty(wishes, destinations, async (wish, dials) => {
      await agent.call("apply", [workload("web", wish)]);
      for (const [host, to] of dials) {
        const { answer, error } = await application.call("dial", { host, port: to });
        if (isCaught(wish, host, to)) assert.match(answer ?? "", /^agent sees/);
        else assert.equal(error, "ECONNREFUSED");
      }
    }),
    { numRuns: RUNS },
  );
});
