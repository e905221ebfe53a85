/** The backend of every bench: Debian's nginx, one worker, static answers of known sizes from memory. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ANSWER_BYTES, PATHS } from "./stage.ts";

/** Port the backends listen on. */
export const BACKEND_PORT = 8080;

/** Writes the files served and the configuration into `folder`; returns the command that serves them. */
export function writeBackend(folder: string, pidFile: string): readonly string[] {
  for (const size of ["small", "large", "bulk"] as const)
    writeFileSync(join(folder, PATHS[size]), Buffer.alloc(ANSWER_BYTES[size], "nodemesh "));
  const config = join(folder, "nginx.conf");
  writeFileSync(
    config,
    `
worker_processes 1; master_process off; daemon off; pid ${pidFile}; error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_requests 1000000000; keepalive_timeout 1h; client_body_temp_path ${folder};
  proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  open_file_cache max=10; open_file_cache_valid 1h;
  # A static file refuses POST: it is answered like a GET, whose content was read and thrown away.
  server {
    listen ${BACKEND_PORT} backlog=8192; root ${folder}; default_type text/plain;
    error_page 405 =200 $uri;
  }
}
`,
  );
  return ["nginx", "-c", config];
}
