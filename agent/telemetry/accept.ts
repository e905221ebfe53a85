/** Which format of metrics a scraper wants, by its Accept header (RFC 9110, 12.5.1). */

import type { Format } from "./exposition.ts";

/** One range of the header. */
interface Range {
  readonly media: string;
  /** Undefined = any. */
  readonly version: string | undefined;
  /** 0 to 1. */
  readonly quality: number;
}

/** OpenMetrics for who wants it at least as much as the text format; that for everybody else, and where it is not clear. */
export function formatFor(accept: string): Format {
  const ranges = accept.split(",").map(rangeOf);
  const open = best(ranges, ["application/openmetrics-text"], "1.0.0");
  const text = best(ranges, ["text/plain", "text/*", "*/*"], "0.0.4");
  return open > 0 && open >= text ? "openmetrics" : "text";
}

function best(ranges: readonly Range[], media: readonly string[], version: string): number {
  const fit = ranges.filter(
    (one) => media.includes(one.media) && (one.version ?? version) === version,
  );
  return Math.max(0, ...fit.map(({ quality }) => quality));
}

function rangeOf(text: string): Range {
  const [media = "", ...rest] = text.split(";").map((part) => part.trim().toLowerCase());
  const parameters = new Map(
    rest.map((one): [string, string] => {
      const [name = "", value = ""] = one.split("=");
      return [name.trim(), value.trim()];
    }),
  );
  const quality = Number(parameters.get("q") ?? 1);
  const version = parameters.get("version");
  return { media, version, quality: quality >= 0 && quality <= 1 ? quality : 0 };
}
