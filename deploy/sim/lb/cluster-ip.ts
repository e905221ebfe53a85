/** The simulator's stand-in for kube-proxy: loads bpf/clusterip.bpf.o and keeps its maps as the Services say. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  at,
  attachCgroup,
  bytes,
  type Collection,
  type HashMap,
  hashMap,
  type Link,
  load,
  parse,
  struct,
  u32,
  VerifierError,
} from "ebpf-loader-wasm";
import type { VirtualPort } from "./tables.ts";

const OBJECT: string = join(import.meta.dirname, "../bpf/clusterip.bpf.o");

/** Longer than any connect() takes between reading a service and reading its endpoint. */
const READERS_MS = 100;

interface ServiceValue {
  readonly id: number;
  readonly count: number;
  readonly sticky: number;
}

interface EndpointKey {
  readonly id: number;
  readonly slot: number;
}

/** What is in the maps for one virtual port. */
interface Written {
  readonly port: VirtualPort;
  readonly text: string;
  readonly id: number;
}

/** The attached load balancer. Disposing detaches it: nothing is pinned. */
export class ClusterIpBalancer implements Disposable {
  readonly #collection: Collection;
  readonly #links: readonly Link[];
  readonly #services: HashMap<Uint8Array, ServiceValue>;
  readonly #endpoints: HashMap<EndpointKey, Uint8Array>;
  readonly #written = new Map<string, Written>();
  #lastId = 0;
  #closed = false;

  /** Attaches to the simulation's cgroup. Throws the loader's errors. */
  constructor(cgroup: string) {
    this.#collection = loadObject();
    this.#services = hashMap(
      this.#collection.map("services"),
      bytes(20),
      struct<ServiceValue>({ id: at(0, u32), count: at(4, u32), sticky: at(8, u32) }, 12),
    );
    this.#endpoints = hashMap(
      this.#collection.map("endpoints"),
      struct<EndpointKey>({ id: at(0, u32), slot: at(4, u32) }, 8),
      bytes(20),
    );
    this.#links = [...this.#collection.programs.values()].map((program) =>
      attachCgroup(program, { cgroup }),
    );
  }

  /** Makes the maps say this. Only what changed is written; a connect() at any moment sees the old or the new. */
  update(ports: readonly VirtualPort[]): void {
    const wanted = new Map(ports.map((port) => [hex(port.key), port]));
    for (const [key, port] of wanted) this.#write(key, port);
    for (const [key, written] of this.#written) {
      if (wanted.has(key)) continue;
      this.#services.delete(written.port.key);
      this.#forget(written);
      this.#written.delete(key);
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const link of this.#links) link[Symbol.dispose]();
    this.#collection[Symbol.dispose]();
  }

  #write(key: string, port: VirtualPort): void {
    const text = `${port.sticky} ${port.endpoints.map(hex).join(" ")}`;
    const before = this.#written.get(key);
    if (before?.text === text) return;
    const id = ++this.#lastId;
    for (const [slot, endpoint] of port.endpoints.entries())
      this.#endpoints.set({ id, slot }, endpoint);
    this.#services.set(port.key, {
      id,
      count: port.endpoints.length,
      sticky: port.sticky ? 1 : 0,
    });
    this.#written.set(key, { port, text, id });
    if (before) this.#forget(before);
  }

  /** Not at once: a connect() that has just read the old service is about to read its endpoints. */
  #forget(written: Written): void {
    setTimeout(() => {
      if (this.#closed) return;
      for (const slot of written.port.endpoints.keys())
        this.#endpoints.delete({ id: written.id, slot });
    }, READERS_MS).unref();
  }
}

function loadObject(): Collection {
  const spec = parse(readFileSync(OBJECT));
  try {
    return load(spec);
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error;
    // Kernels before 5.18 have no bpf_set_retval.
    return load(spec, { variables: { has_set_retval: 0 } });
  }
}

function hex(bytesOf: Uint8Array): string {
  return Buffer.from(bytesOf).toString("hex");
}
