/** Kubernetes quantities: 0.5 and 500m, 1Gi and 1024Mi are one. Pure. */

/** What a quantity looks like (apimachinery's resource.Quantity, without exponents and what nobody uses for pods). */
export const QUANTITY: RegExp = /^(\d+(?:\.\d+)?)(m|k|M|G|Ki|Mi|Gi)?$/;

/** A quantity, or nothing. */
export const OPTIONAL_QUANTITY: RegExp = new RegExp(`^(${QUANTITY.source.slice(1, -1)})?$`);

const FACTORS: Readonly<Record<string, number>> = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

/** The number of a quantity: cores, bytes; undefined when the text is none. */
export function quantityOf(text: string): number | undefined {
  const [, digits, suffix = ""] = QUANTITY.exec(text) ?? [];
  const factor = FACTORS[suffix];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}
