/** Service ports by virtual address, each with the runtime state that a worker keeps for it. */

import { type Service, type ServicePort, serviceKey } from "#model/service.ts";

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

/** The services that a worker knows. */
export class ServiceIndex<State> {
  /** service key → slot key → slot: one slot per port and address family. */
  readonly #slots: Map<string, Map<number, Slot<State>>> = new Map();
  /** virtual address → slot key → slot: the same slots. */
  readonly #byVirtualAddress: Map<string, Map<number, Slot<State>>> = new Map();
  readonly #addressesOf: Map<string, readonly string[]> = new Map();
  readonly #states: PortStates<State>;

  constructor(states: PortStates<State>) {
    this.#states = states;
  }

  /** The service port at this virtual address, by its endpoints of one family. */
  entry(address: string, port: number, family: Family): ServicePortEntry<State> | undefined {
    const slot = this.#byVirtualAddress.get(address)?.get(slotKey(port, family));
    if (slot === undefined) return undefined;
    slot.entry ??= {
      service: slot.service,
      port: slot.port,
      state: this.#states.create(slot.service, slot.port),
    };
    return slot.entry;
  }

  /** Every service port that has runtime state. */
  *active(): Iterable<ServicePortEntry<State>> {
    for (const slots of this.#slots.values())
      for (const slot of slots.values()) if (slot.entry !== undefined) yield slot.entry;
  }

  put(service: Service): void {
    const key = serviceKey(service);
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

  remove(key: string): void {
    const slots = this.#slots.get(key);
    if (slots === undefined) return;
    this.#unbindAddresses(key, slots);
    this.#addressesOf.delete(key);
    this.#slots.delete(key);
    for (const [number, slot] of [...slots]) this.#dropSlot(slots, number, slot);
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
}

/** IPv4 or IPv6. */
export type Family = 4 | 6;

/** The family of an address (canonical text). */
export function familyOf(address: string): Family {
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
