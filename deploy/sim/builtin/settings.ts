/** What a built-in program is told by its container's env. */

/** See echo.ts. */
export interface Settings {
  /** Listening port, default 8080. */
  readonly port: number;
  readonly service: string;
  readonly podName: string;
  /** URL that /call asks. */
  readonly upstream: string | undefined;
}

/** Reads PORT, SERVICE, POD_NAME, UPSTREAM; `fallbackName` is the pod's name when none is given. */
export function settings(fallbackName: string): Settings {
  // biome-ignore lint/style/noProcessEnv: a built-in program is a process of its own; this is its configuration.
  const env = process.env;
  return {
    port: Number(env["PORT"] ?? 8080),
    service: env["SERVICE"] ?? "echo",
    podName: env["POD_NAME"] ?? fallbackName,
    upstream: env["UPSTREAM"],
  };
}
