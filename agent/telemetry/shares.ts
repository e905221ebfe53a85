/**
 * Who may have how many rows of a table of series: one tenant's clients, servers and Services must not take the series of
 * another's. A row is paid for by who asks; where that is no pod, by who is asked.
 */

/** Who pays for a series. */
export interface Payer {
  /** A namespace, or what stands for one. */
  readonly tenant: string;
  readonly workload: string;
}

/** Of all rows, what only tenants with few series get: a quarter. */
const RESERVED = 4;
/** What few are: of 3,072 rows 64, so that twelve tenants find room in the reserve. */
const FEW = 48;
/** A tenant may have so many times what is left for others. */
const TENANT_TIMES = 3;

/** Label values of labels.ts in agent/flow for who is no pod: strangers, and kubelet. */
const NOBODY: readonly (string | undefined)[] = [undefined, "", "unknown"];

/**
 * Who pays for a series with these labels. Strangers pay apart from the pods that they ask, each pod's strangers from
 * others', so that they can't take a tenant's own share.
 */
export function payerOf(labels: Readonly<Record<string, string | undefined>>): Payer {
  const { src_namespace, src_workload, dst_namespace, dst_workload, dst_service = "" } = labels;
  if (!NOBODY.includes(src_namespace)) return payer("", src_namespace, src_workload);
  if (dst_namespace !== undefined) return payer(">", dst_namespace, dst_workload);
  const [namespace, name] = dst_service.split("/");
  return payer("@", namespace, name);
}

function payer(kind: string, namespace = "", workload = ""): Payer {
  const tenant = kind + namespace;
  return { tenant, workload: `${tenant}/${workload}` };
}

/**
 * The shares of one table. Nobody's share is fixed: a workload may have as much as is left for others and a tenant three
 * times that, so one that is alone gets far, and the first of many does not get all.
 */
export class Shares {
  readonly #rows: number;
  readonly #reserve: number;
  readonly #few: number;
  readonly #tenants: Map<string, number> = new Map();
  readonly #workloads: Map<string, number> = new Map();
  #used = 0;

  /** `rows` are to be shared out. */
  constructor(rows: number) {
    this.#rows = rows;
    this.#reserve = Math.floor(rows / RESERVED);
    this.#few = Math.max(1, Math.floor(rows / FEW));
  }

  /** Takes a row; false: it is not this payer's to have. */
  take({ tenant, workload }: Payer): boolean {
    const ofTenant = this.#tenants.get(tenant) ?? 0;
    const ofWorkload = this.#workloads.get(workload) ?? 0;
    if (!this.#mayHave(ofTenant, ofWorkload)) return false;
    this.#tenants.set(tenant, ofTenant + 1);
    this.#workloads.set(workload, ofWorkload + 1);
    this.#used++;
    return true;
  }

  /** Gives a row back that was taken. */
  giveBack({ tenant, workload }: Payer): void {
    decrease(this.#tenants, tenant);
    decrease(this.#workloads, workload);
    this.#used--;
  }

  #mayHave(ofTenant: number, ofWorkload: number): boolean {
    const free = this.#rows - this.#used;
    if (free <= 0) return false;
    if (ofTenant < this.#few) return true;
    const left = free - this.#reserve;
    if (ofWorkload < this.#few) return left > 0;
    return ofWorkload < left && ofTenant < left * TENANT_TIMES;
  }
}

function decrease(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 0) - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}
