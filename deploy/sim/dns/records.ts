/**
 * What cluster DNS says, after the Kubernetes DNS specification 1.1.0: Services, headless Services and their
 * pods, named ports as SRV. Pure: a question and the objects in, answers out.
 */

import { isIpv6 } from "#model/address.ts";
import type { EndpointSlice, Service } from "../../../control/k8s/api/service.ts";
import { CLUSTER_DOMAIN } from "../kubelet/pod-files.ts";

/** The objects that names come from. */
export interface Zone {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
}

/** One answer. */
export type Answer =
  | { readonly type: "A" | "AAAA"; readonly name: string; readonly data: string }
  | {
      readonly type: "SRV";
      readonly name: string;
      readonly data: {
        readonly priority: number;
        readonly weight: number;
        readonly port: number;
        readonly target: string;
      };
    };

/** `no-such-name` is NXDOMAIN; known names without records of the asked type have no answers; `foreign` is not ours. */
export type Resolution =
  | { readonly kind: "answers"; readonly answers: readonly Answer[] }
  | { readonly kind: "no-such-name" }
  | { readonly kind: "foreign" };

const NO_SUCH_NAME: Resolution = { kind: "no-such-name" };

/** Answers one question. Names are compared without regard to case and closing dot. */
export function resolveName(zone: Zone, name: string, type: string): Resolution {
  const labels = name.toLowerCase().replace(/\.$/, "").split(".");
  const domain = CLUSTER_DOMAIN.split(".");
  if (labels.slice(-domain.length).join(".") !== CLUSTER_DOMAIN) return { kind: "foreign" };
  const inside = labels.slice(0, -domain.length);
  if (inside.at(-1) !== "svc" || inside.length < 3) return NO_SUCH_NAME;
  const [serviceName = "", namespace = ""] = inside.slice(-3);
  const service = zone.services.find(
    (one) => one.metadata.name === serviceName && one.metadata.namespace === namespace,
  );
  if (service === undefined) return NO_SUCH_NAME;
  return below(zone, service, { name: labels.join("."), type, path: inside.slice(0, -3) });
}

interface Asked {
  readonly name: string;
  readonly type: string;
  /** Labels in front of the Service's name. */
  readonly path: readonly string[];
}

function below(zone: Zone, service: Service, asked: Asked): Resolution {
  const [first = "", second = ""] = asked.path;
  if (asked.path.length === 0) return answers(addresses(asked, serviceAddresses(zone, service)));
  if (asked.path.length === 1) return podByName(zone, service, asked);
  if (asked.path.length === 2 && first.startsWith("_") && second.startsWith("_"))
    return portRecords(zone, service, asked);
  return NO_SUCH_NAME;
}

/** A headless Service's pod: `web-0.web.default.svc…`, or by its address with dashes. */
function podByName(zone: Zone, service: Service, asked: Asked): Resolution {
  const found = backends(zone, service).filter((one) => one.hostname === asked.path[0]);
  if (found.length === 0) return NO_SUCH_NAME;
  return answers(
    addresses(
      asked,
      found.map((one) => one.address),
    ),
  );
}

/** `_http._tcp.order.default.svc…` */
function portRecords(zone: Zone, service: Service, asked: Asked): Resolution {
  const [portLabel = "", protocol = ""] = asked.path;
  const port = service.spec.ports.find(
    (one) => `_${one.name}` === portLabel && `_${one.protocol.toLowerCase()}` === protocol,
  );
  if (port === undefined) return NO_SUCH_NAME;
  if (asked.type !== "SRV") return answers([]);
  const base = serviceDomain(service);
  const targets = isHeadless(service)
    ? [...new Set(backends(zone, service).map((one) => `${one.hostname}.${base}`))]
    : [base];
  return answers(
    targets.map((target) => ({
      type: "SRV",
      name: asked.name,
      data: { priority: 0, weight: 100, port: port.port, target },
    })),
  );
}

function serviceAddresses(zone: Zone, service: Service): readonly string[] {
  if (!isHeadless(service)) return service.spec.clusterIPs;
  return backends(zone, service).map((one) => one.address);
}

interface Backend {
  readonly address: string;
  readonly hostname: string;
}

function backends(zone: Zone, service: Service): readonly Backend[] {
  const { name, namespace } = service.metadata;
  return zone.slices
    .filter(
      ({ metadata }) =>
        metadata.namespace === namespace && metadata.labels["kubernetes.io/service-name"] === name,
    )
    .flatMap((slice) => slice.endpoints)
    .filter((endpoint) => endpoint.conditions.ready !== false)
    .flatMap((endpoint) =>
      endpoint.addresses.map((address) => ({
        address,
        hostname: endpoint.targetRef?.name ?? address.replace(/[.:]/g, "-"),
      })),
    );
}

function addresses(asked: Asked, of: readonly string[]): readonly Answer[] {
  const wanted = [...new Set(of)];
  const { name } = asked;
  if (asked.type === "A")
    return wanted.filter((ip) => !isIpv6(ip)).map((data) => ({ type: "A", name, data }));
  if (asked.type === "AAAA")
    return wanted.filter(isIpv6).map((data) => ({ type: "AAAA", name, data }));
  return [];
}

function answers(found: readonly Answer[]): Resolution {
  return { kind: "answers", answers: found };
}

function isHeadless(service: Service): boolean {
  return service.spec.clusterIP === "None";
}

function serviceDomain(service: Service): string {
  return `${service.metadata.name}.${service.metadata.namespace}.svc.${CLUSTER_DOMAIN}`;
}
