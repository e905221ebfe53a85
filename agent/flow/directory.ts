/**
 * What a worker looks things up in: the snapshot indexed by address. Updated by deltas in place, so that
 * a change costs what changed and the runtime state of endpoints (`EndpointSet`) lives on across versions.
 * One worker, one thread, one directory.
 */

import { changedServices } from "#model/endpoint-changes.ts";
import { type Service, type ServicePort, serviceKey } from "#model/service.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";

/** One service port with whatever runtime state a worker keeps for it. */
export interface ServicePortEntry<State = unknown> {
  readonly service: Service;
  readonly port: ServicePort;
  /** Made on first use by the directory's `PortStates`. */
  readonly state: State;
}

/** Makes, updates and drops the runtime state of service ports. */
export interface PortStates<State> {
  create(service: Service, port: ServicePort): State;
  update(state: State, service: Service, port: ServicePort): void;
  remove(state: State): void;
}

interface Slot<State> {
  service: Service;
  port: ServicePort;
  entry: ServicePortEntry<State> | undefined;
}

/** The worker's view of the world. */
export class Directory<State = unknown> {
  readonly #workloads: Map<string, Workload> = new Map();
  readonly #byAddress: Map<string, Workload> = new Map();
  readonly #services: Map<string, Service> = new Map();
  /** service key → slot key → slot: one slot per port and address family. */
  readonly #slots: Map<string, Map<number, Slot<State>>> = new Map();
  /** virtual address → slot key → slot: the same slots. */
  readonly #byVirtualAddress: Map<string, Map<number, Slot<State>>> = new Map();
  /** Addresses of this node's pods, learnt from their network namespaces. */
  readonly #learnt: Map<string, readonly string[]> = new Map();
  readonly #addressesOf: Map<string, readonly string[]> = new Map();
  readonly #states: PortStates<State>;
  #revision = 0;

  constructor(states: PortStates<State>) {
    this.#states = states;
  }

  /** Rises with every delta; 0 = nothing was ever received. What was decided under another one may be outdated. */
  get revision(): number {
    return this.#revision;
  }

  /** The workload with this uid. */
  workload(uid: string): Workload | undefined {
    return this.#workloads.get(uid);
  }

  /** A pod of this node has these addresses: they count until the snapshot says which it has. */
  learn(uid: string, addresses: readonly string[]): void {
    this.#learnt.set(uid, addresses);
    const workload = this.#workloads.get(uid);
    if (workload === undefined || workload.addresses.length > 0) return;
    this.#putWorkload(workload);
    this.#revision++;
  }

  /** The pod is no longer served here. */
  unlearn(uid: string): void {
    this.#learnt.delete(uid);
  }

  /** The workload that has this address (canonical text). */
  workloadAt(address: string): Workload | undefined {
    return this.#byAddress.get(address);
  }

  /** The service port at this virtual address. The entry keeps its identity until the service changes. */
  service(address: string, port: number): ServicePortEntry<State> | undefined {
    return this.#entry(address, port, familyOf(address));
  }

  /** The same service port by its endpoints of the other address family; undefined when the service has none. */
  otherFamily(address: string, port: number): ServicePortEntry<State> | undefined {
    return this.#entry(address, port, familyOf(address) === 4 ? 6 : 4);
  }

  #entry(address: string, port: number, family: Family): ServicePortEntry<State> | undefined {
    const slot = this.#byVirtualAddress.get(address)?.get(slotKey(port, family));
    if (slot === undefined) return undefined;
    slot.entry ??= {
      service: slot.service,
      port: slot.port,
      state: this.#states.create(slot.service, slot.port),
    };
    return slot.entry;
  }

  /** Every service port that has runtime state, for the admin socket and metrics. */
  *active(): Iterable<ServicePortEntry<State>> {
    for (const slots of this.#slots.values())
      for (const slot of slots.values()) if (slot.entry !== undefined) yield slot.entry;
  }

  /** Applies a delta whose base the caller has checked. */
  apply(delta: SnapshotDelta): void {
    if (delta.base === "nothing") this.#forgetOthers(delta);
    for (const uid of delta.removeWorkloads) this.#removeWorkload(uid);
    for (const workload of delta.upsertWorkloads) this.#putWorkload(workload);
    for (const key of delta.removeServices) this.#removeService(key);
    for (const service of delta.upsertServices) this.#putService(service);
    // Undefined when it is for another world: the caller has checked that it is not.
    const changed = changedServices(this.#services, delta.changeEndpoints);
    for (const service of changed?.values() ?? []) this.#putService(service);
    this.#revision++;
  }

  /** A full snapshot keeps the state of services that are still there. */
  #forgetOthers(delta: SnapshotDelta): void {
    const uids = new Set(delta.upsertWorkloads.map((workload) => workload.uid));
    for (const uid of [...this.#workloads.keys()]) if (!uids.has(uid)) this.#removeWorkload(uid);
    const keys = new Set(delta.upsertServices.map(serviceKey));
    for (const key of [...this.#slots.keys()]) if (!keys.has(key)) this.#removeService(key);
  }

  #putWorkload(given: Workload): void {
    this.#removeWorkload(given.uid);
    const learnt = given.addresses.length > 0 ? undefined : this.#learnt.get(given.uid);
    const workload = learnt === undefined ? given : { ...given, addresses: learnt };
    this.#workloads.set(workload.uid, workload);
    for (const address of workload.addresses) this.#byAddress.set(address, workload);
  }

  #removeWorkload(uid: string): void {
    const old = this.#workloads.get(uid);
    if (old === undefined) return;
    this.#workloads.delete(uid);
    // A new pod may have taken the address already.
    for (const address of old.addresses)
      if (this.#byAddress.get(address) === old) this.#byAddress.delete(address);
  }

  #putService(service: Service): void {
    const key = serviceKey(service);
    this.#services.set(key, service);
    const slots = this.#slots.get(key) ?? new Map<number, Slot<State>>();
    const wanted = new Map<number, ServicePort>();
    for (const family of new Set(service.addresses.map(familyOf)))
      for (const port of service.ports)
        wanted.set(slotKey(port.port, family), ofFamily(port, family));
    for (const [key, slot] of slots) if (!wanted.has(key)) this.#dropSlot(slots, key, slot);
    for (const [key, port] of wanted) this.#putPort(slots, key, { service, port });
    this.#slots.set(key, slots);
    this.#bindAddresses(key, service.addresses, slots);
  }

  #putPort(
    slots: Map<number, Slot<State>>,
    key: number,
    { service, port }: { readonly service: Service; readonly port: ServicePort },
  ): void {
    const slot = slots.get(key);
    if (slot === undefined) {
      slots.set(key, { service, port, entry: undefined });
      return;
    }
    slot.service = service;
    slot.port = port;
    if (slot.entry === undefined) return;
    const { state } = slot.entry;
    this.#states.update(state, service, port);
    slot.entry = { service, port, state };
  }

  #dropSlot(slots: Map<number, Slot<State>>, number: number, slot: Slot<State>): void {
    slots.delete(number);
    if (slot.entry !== undefined) this.#states.remove(slot.entry.state);
  }

  #bindAddresses(key: string, addresses: readonly string[], slots: Map<number, Slot<State>>): void {
    this.#unbindAddresses(key, slots);
    for (const address of addresses) this.#byVirtualAddress.set(address, slots);
    this.#addressesOf.set(key, addresses);
  }

  #unbindAddresses(key: string, slots: Map<number, Slot<State>>): void {
    // A new service may have taken the address already.
    for (const address of this.#addressesOf.get(key) ?? [])
      if (this.#byVirtualAddress.get(address) === slots) this.#byVirtualAddress.delete(address);
  }

  #removeService(key: string): void {
    const slots = this.#slots.get(key);
    if (slots === undefined) return;
    this.#services.delete(key);
    this.#unbindAddresses(key, slots);
    this.#addressesOf.delete(key);
    this.#slots.delete(key);
    for (const [number, slot] of [...slots]) this.#dropSlot(slots, number, slot);
  }
}

type Family = 4 | 6;

function familyOf(address: string): Family {
  return address.includes(":") ? 6 : 4;
}

/** Port numbers end at 65535. */
function slotKey(port: number, family: Family): number {
  return family === 6 ? port + 65_536 : port;
}

/** Who dials an IPv6 address is served by an IPv6 endpoint: the server must see the client's address of that family. */
function ofFamily(port: ServicePort, family: Family): ServicePort {
  return {
    ...port,
    endpoints: port.endpoints.filter(({ address }) => familyOf(address) === family),
  };
}
