/** The file that a run leaves: everything needed to print its tables again or to compare two runs. */
import type { Measurements } from "../harness/rounds.ts";

/** One run of the bench. */
export interface Results extends Measurements {
  /** ISO 8601, when the run ended. */
  readonly at: string;
  readonly machine: {
    readonly kernel: string;
    readonly cores: number;
    readonly processor: string;
    /** Name and version of each contestant's program. */
    readonly versions: Readonly<Record<string, string>>;
  };
  readonly rounds: number;
  /** Seconds of load for each work load. */
  readonly seconds: number;
}
