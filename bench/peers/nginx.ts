/** Debian's nginx as a reverse proxy: one process, kept-alive upstream connections, no log. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Peer, sidecarPeer } from "./peer.ts";

const HTTP_PORT = 18_011;

function config(folder: string, backends: readonly string[]): string {
  const servers = backends.map((address) => `server ${address};`).join(" ");
  return `
worker_processes 1; master_process off; daemon off; pid ${folder}/pid; error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  upstream backends { ${servers} keepalive 256; keepalive_requests 1000000000; keepalive_timeout 1h; }
  server {
    listen 127.0.0.1:${HTTP_PORT} backlog=8192;
    location / { proxy_pass http://backends; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`;
}

/** nginx as a sidecar; HTTP only, since Debian's stream module is a package of its own. */
export const NGINX: Peer = {
  name: "nginx",
  start: async (stage, folder) => {
    const path = join(folder, "nginx.conf");
    writeFileSync(path, config(folder, stage.backends));
    return sidecarPeer(stage, ["nginx", "-c", path], { http: HTTP_PORT, tcp: undefined });
  },
};
