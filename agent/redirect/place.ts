/** What the agent holds open in one pod's network namespace, and the steps to make and undo it. */

import { fstatSync } from "node:fs";
import { listAddresses } from "../kernel/addresses.ts";
import { NETLINK, openNetlink } from "../kernel/netlink.ts";
import { closeNetns, netnsCookie, openNetns } from "../kernel/netns.ts";
import { NetworkWatch } from "../kernel/network-watch.ts";
import { listRoutes, MAIN_TABLE } from "../kernel/routes.ts";
import type { ListeningSocket } from "../kernel/sock-diag.ts";
import { listListeners } from "../kernel/sock-diag.ts";
import { AF_INET, AF_INET6 } from "../kernel/socket-constants.ts";
import { closeListeners, openListeners } from "./listeners.ts";
import type { FoundNamespace, Located } from "./locator.ts";
import { settingsOf, turnConnects, undoTurn } from "./namespace.ts";
import type { NamespaceNetworks } from "./networks.ts";
import { podAddressesIn } from "./pod-addresses.ts";

/** A pod's namespace with our listeners in it. While it is open, the namespace lives. */
export interface Place {
  /** Descriptor of the network namespace. */
  readonly netns: number;
  readonly inode: number;
  /** The kernel programs' name of the namespace. */
  readonly cookie: bigint;
  /** The pod's addresses that it has. */
  readonly addresses: readonly string[];
  /** The pod's addresses that it lacks, as where IPv6 is switched off in the pod: of these nothing is caught. */
  readonly missing: readonly string[];
  /** The settings that it had when it was opened: settingsOf(). */
  readonly settings: number;
  /** One listening descriptor for each data worker. */
  readonly listeners: readonly number[];
  /** The port of all of them. */
  readonly listenerPort: number;
  /** Says when networks() is to be asked again. */
  readonly watch: Pick<NetworkWatch, "hasChanged"> & Disposable;
}

/** A pod's namespace, and nothing of the agent's in it yet. */
export type Site = Pick<Place, "netns" | "inode" | "cookie" | "addresses" | "missing">;

/** What can be done about places; a fake of it stands in for the kernel in unit tests. */
export interface Places {
  /**
   * Opens the first of the namespaces that is the pod's, by the addresses and by confirm(), and listens in it.
   * One of these is enough. Without addresses (the API does not know them yet) those that the namespace has are the
   * pod's. Throws when none is, with what is wrong with each. `first` is called when the namespace is open, before
   * anything else that can fail.
   */
  open(
    located: Located & { kind: "found" },
    addresses: readonly string[],
    first: (site: Site) => void,
  ): Place;
  /** Adds rules, routes and settings. */
  turn(place: Place): void;
  /** Who listens in it, the agent among them. Throws NetlinkError. */
  listening(place: Pick<Place, "netns">): readonly ListeningSocket[];
  /** Its addresses and routes. Throws NetlinkError. */
  networks(place: Pick<Place, "netns">): NamespaceNetworks;
  /** As `place` with listeners on another port; the former ones stay open until leave() closes them. */
  move(place: Place): Place;
  /** Closes the listeners of a place that has moved. */
  leave(place: Pick<Place, "listeners">): void;
  /** Removes rules and routes, and gives the namespace its settings back. */
  undo(place: Pick<Place, "netns" | "addresses">, settings: number): void;
  /** Closes all descriptors: from now on a deleted pod's namespace can go. */
  close(place: Place): void;
}

/** The real one. `workers` is how many listeners each place gets, `proc` a procfs with a writable `sys`. */
export function kernelPlaces(workers: number, proc: string): Places {
  return {
    open({ namespaces }, known, first) {
      const opened = openFitting(namespaces, known);
      const { netns } = opened;
      try {
        const site = { ...opened, cookie: netnsCookie(netns) };
        first(site);
        return holding(site, workers);
      } catch (error) {
        closeNetns(netns);
        throw error;
      }
    },
    turn: (place) => turnConnects({ ...place, proc }),
    listening({ netns }) {
      using netlink = openNetlink(netns, NETLINK.SOCK_DIAG);
      return listListeners(netlink);
    },
    networks({ netns }) {
      using netlink = openNetlink(netns);
      const routes = ([AF_INET, AF_INET6] as const).flatMap((family) =>
        listRoutes(netlink, { family, table: MAIN_TABLE }),
      );
      return { addresses: listAddresses(netlink), routes };
    },
    move(place) {
      const { fds, port } = openListeners(place.netns, workers, { avoid: place.listenerPort });
      return { ...place, listeners: fds, listenerPort: port };
    },
    leave: ({ listeners }) => closeListeners(listeners),
    undo: (place, settings) => undoTurn({ ...place, proc }, settings),
    close(place) {
      closeListeners(place.listeners);
      place.watch[Symbol.dispose]();
      closeNetns(place.netns);
    },
  };
}

type Opened = Pick<Place, "netns" | "inode" | "addresses" | "missing">;

/** Opens what is held besides the namespace itself. */
function holding(site: Site, workers: number): Place {
  const { netns } = site;
  const watch = new NetworkWatch(netns);
  try {
    const settings = settingsOf(netns);
    const { fds, port } = openListeners(netns, workers);
    const listening = { listeners: fds, listenerPort: port };
    return { ...site, settings, ...listening, watch };
  } catch (error) {
    watch[Symbol.dispose]();
    throw error;
  }
}

function openFitting(namespaces: readonly FoundNamespace[], known: readonly string[]): Opened {
  const problems: string[] = [];
  for (const namespace of namespaces) {
    try {
      return openChecked(namespace, known);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(problems.join("; "));
}

function openChecked(namespace: FoundNamespace, known: readonly string[]): Opened {
  const { inode } = namespace;
  const netns = openNetns(namespace.path);
  try {
    assertConfirmed(netns, namespace);
    return { netns, inode, ...podAddressesIn(netns, known) };
  } catch (error) {
    closeNetns(netns);
    throw error;
  }
}

/** Between finding and opening, a process's number may have become another's. */
function assertConfirmed(netns: number, { path, inode, confirm }: FoundNamespace): void {
  if (fstatSync(netns).ino === inode && (confirm === undefined || confirm())) return;
  throw new Error(`the pod's network namespace moved away while it was opened (${path})`);
}
