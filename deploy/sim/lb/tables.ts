/** Services and slices to the contents of the load balancer's maps. Pure. */

import { mapAddress, parseAddress } from "#model/address.ts";
import type { EndpointSlice, Service, ServicePort } from "../../../control/k8s/api/service.ts";

const PROTOCOLS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17 };

/** One port of a ClusterIP with its endpoints, each as the bytes that the maps hold. */
export interface VirtualPort {
  /** `struct service_key`. */
  readonly key: Uint8Array;
  /** Each a `struct endpoint`. */
  readonly endpoints: readonly Uint8Array[];
  readonly sticky: boolean;
}

/** Every port of every ClusterIP. Cluster DNS is left out: it listens on its ClusterIP itself. */
export function virtualPorts(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
): readonly VirtualPort[] {
  const used = services.filter(({ metadata, spec }) => {
    const isDns = metadata.name === "kube-dns" && metadata.namespace === "kube-system";
    return !isDns && spec.clusterIP !== "None";
  });
  return used.flatMap((service) => {
    const own = slices.filter(({ metadata }) => {
      const name = metadata.labels["kubernetes.io/service-name"];
      return metadata.namespace === service.metadata.namespace && name === service.metadata.name;
    });
    return service.spec.clusterIPs.flatMap((ip) =>
      service.spec.ports.flatMap((port) => virtualPort(service, { ip, port, slices: own })),
    );
  });
}

interface PortOfAddress {
  readonly ip: string;
  readonly port: ServicePort;
  readonly slices: readonly EndpointSlice[];
}

function virtualPort(service: Service, of: PortOfAddress): readonly VirtualPort[] {
  const protocol = PROTOCOLS[of.port.protocol];
  const address = parseAddress(of.ip);
  if (protocol === undefined || address === undefined) return [];
  const family = address.length === 4 ? "IPv4" : "IPv6";
  const backends = of.slices
    .filter((slice) => slice.addressType === family)
    .flatMap((slice) => slicePort(slice, of.port));
  return [
    {
      key: pack(address, of.port.port, protocol),
      endpoints: usable(backends).map(({ ip, port }) => pack(ip, port, 0)),
      sticky: service.spec.sessionAffinity === "ClientIP",
    },
  ];
}

interface Backend {
  readonly ip: Uint8Array;
  readonly port: number;
  readonly ready: boolean;
  readonly serving: boolean;
}

/** Ready ones; when there is none, those that end but still serve (KEP-1669, as kube-proxy does). */
function usable(backends: readonly Backend[]): readonly Backend[] {
  const ready = backends.filter((one) => one.ready);
  return ready.length > 0 ? ready : backends.filter((one) => one.serving);
}

function slicePort(slice: EndpointSlice, wanted: ServicePort): readonly Backend[] {
  const found = slice.ports.find(
    (one) => one.name === wanted.name && one.protocol === wanted.protocol,
  );
  const port = found?.port;
  if (port === undefined) return [];
  return slice.endpoints.flatMap((endpoint) => {
    const { ready, serving, terminating } = endpoint.conditions;
    return endpoint.addresses.flatMap((text) => {
      const ip = parseAddress(text);
      if (ip === undefined) return [];
      return [
        { ip, port, ready: ready !== false, serving: serving !== false && terminating === true },
      ];
    });
  });
}

/** Address (IPv4 mapped), port in network order, and a 16-bit number in host order: both structures are this. */
function pack(ip: Uint8Array, port: number, number: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  bytes.set(mapAddress(ip));
  view.setUint16(16, port, false);
  view.setUint16(18, number, true);
  return bytes;
}
