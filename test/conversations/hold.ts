/** Holds one conversation on a stage and notes what everybody saw, and what was left behind. */

import { talk } from "./client.ts";
import type { Conversation, Happening } from "./conversation.ts";
import { isRead } from "./conversation.ts";
import type { ClientSeen, Observation, ServedSeen } from "./observation.ts";
import type { Common, Server } from "./server.ts";
import { Place, type Stage } from "./stage.ts";
import { pause, Wake } from "./wake.ts";

/** Longest life of one client connection: a second for each wait behind another client, and the worker's time-outs. */
const PATIENCE_MS = 9000;
/** How long what belongs to a connection may outlive it, for a busy machine. */
const LINGER_MS = 3000;

/** Holds the conversation with this number; numbers of conversations held at the same time differ. */
export async function hold(
  stage: Stage,
  conversation: Conversation,
  number: number,
): Promise<Observation> {
  const begun = performance.now();
  const served: ServedSeen[] = [];
  const common: Common = {
    conversation,
    served,
    times: new Map(),
    now: () => performance.now() - begun,
    wake: new Wake(),
  };
  const place = await Place.take(stage, common, number);
  const leaks: string[] = [];
  const happened = conversation.happenings.map((one) => happen(place, one, leaks));
  const clients = await Promise.all(start(conversation, place));
  await Promise.all(happened);
  if (belongsTogether(conversation)) await ended(common, place.servers, leaks, "its client");
  await forgotten(place, leaks, clients.some(({ end }) => end === "own-reset") ? 3 : 1);
  if (!(await place.unenrol(LINGER_MS))) leaks.push("the pod was not let go");
  await ended(common, place.servers, leaks, "the pod's enrolment");
  await place.leave();
  return { clients, served, leaks };
}

/** A connection to a fixed destination is one with its client's. */
function belongsTogether(conversation: Conversation): boolean {
  return conversation.destination !== "service" || !isRead(conversation);
}

function start({ clients }: Conversation, place: Place): readonly Promise<ClientSeen>[] {
  const running: Promise<ClientSeen>[] = [];
  for (const [index, client] of clients.entries()) {
    const before =
      client.follows === undefined ? undefined : (running[client.follows] as Promise<ClientSeen>);
    running.push(
      (async () => {
        await before;
        if (client.start > 0) await pause(client.start);
        return talk(client, index, place.dial, PATIENCE_MS);
      })(),
    );
  }
  return running;
}

async function happen(
  place: Place,
  { at, kind, endpoint }: Happening,
  leaks: string[],
): Promise<void> {
  await pause(at);
  if (kind === "die") place.servers[endpoint]?.die();
  else if (kind !== "unenrol") await place.setEndpoint(endpoint, kind === "come");
  else if (!(await place.unenrol(LINGER_MS))) leaks.push("the pod was not let go");
}

/** Waits until the servers' connections have ended; what does not is left behind. */
async function ended(
  { served, wake }: Common,
  servers: readonly (Server | undefined)[],
  leaks: string[],
  whose: string,
): Promise<void> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    wake.wake();
  }, LINGER_MS);
  const all = (): boolean => servers.every((server) => server === undefined || server.open === 0);
  await wake.until(() => late || all());
  clearTimeout(timer);
  if (!all())
    for (const { endpoint } of served.filter(({ end }) => end === "open"))
      leaks.push(`a connection at server ${endpoint} outlives ${whose}`);
}

/**
 * Waits until the worker carries nothing for the conversation and counts nothing: so many `times` in a row, since a
 * client may reset its connection before the worker has accepted it.
 */
async function forgotten(place: Place, leaks: string[], times: number): Promise<void> {
  const deadline = performance.now() + LINGER_MS;
  for (let left = times; left > 0; ) {
    const carried = await place.carried();
    left = carried.length === 0 ? left - 1 : times;
    if (left === 0 || performance.now() < deadline) continue;
    leaks.push(...carried);
    return;
  }
}
