/** Endpoints that come and go at a fixed rate, whatever the answers do. */
import { setTimeout as sleep } from "node:timers/promises";
import { interruption } from "../harness/process.ts";
import type { Api } from "./api.ts";
import type { Event } from "./lag.ts";
import { monotonicMs } from "./messages.ts";
import { type Size, serviceKeyOf, slicePath } from "./world.ts";

/** How much is changed. */
export interface Churn {
  readonly perSecond: number;
  readonly seconds: number;
}

/**
 * Makes one endpoint of one Service after the other unready, and ready again in its next turn. A change is due
 * at its time whether the one before was answered or not. Resolves with all events when all were answered.
 */
export async function churn(api: Api, size: Size, load: Churn): Promise<readonly Event[]> {
  const begun = monotonicMs();
  const events: Promise<Event>[] = [];
  for (let number = 0; number < load.perSecond * load.seconds; number++) {
    const due = begun + (number * 1000) / load.perSecond;
    const wait = due - monotonicMs();
    if (wait > 0) await sleep(wait, undefined, { signal: interruption.signal });
    const event = change(api, size, number);
    // Its failure is seen below; until then it must not count as unhandled.
    event.catch(() => undefined);
    events.push(event);
  }
  return Promise.all(events);
}

async function change(api: Api, { services, podsPerService }: Size, number: number) {
  const service = number % services;
  const turn = Math.floor(number / services);
  const endpoint = Math.floor(turn / 2) % podsPerService;
  const path = `/endpoints/${endpoint}/conditions/ready`;
  const sentAt = monotonicMs();
  await api.call({
    method: "PATCH",
    path: slicePath(service),
    type: "application/json-patch+json",
    body: [{ op: "replace", path, value: turn % 2 === 1 }],
  });
  return { service: serviceKeyOf(service), sentAt, at: monotonicMs() };
}
