/** What is asked of Debian's nginx by Debian's curl, and how answers are made comparable. */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** Bytes of the large file. */
export const LARGE_BYTES: number = 16 << 20;

/** A name and curl's words; `@site` is the server, `@large` and `@text` are files to send, of LARGE_BYTES and some 100 kB. */
export type CurlCase = readonly [name: string, ...words: readonly string[]];

/** Every case leaves the server's files as the next one expects them. */
export const CURL_CASES: readonly CurlCase[] = [
  ["get", "http://@site/"],
  ["head", "-I", "http://@site/text.txt"],
  ["what the server sees", "-H", "X-A: one", "-H", "X-A: two", "http://@site/echo?a=b%20c&d"],
  [
    "hop-by-hop fields stay behind",
    "-H",
    "Connection: X-A",
    "-H",
    "TE: trailers",
    "http://@site/echo",
  ],
  ["HTTP/1.0", "-0", "http://@site/echo"],
  [
    "HTTP/1.0 kept alive",
    "-0",
    "-H",
    "Connection: keep-alive",
    "http://@site/echo",
    "http://@site/echo",
  ],
  ["keep-alive of several URLs", "http://@site/echo", "http://@site/text.txt", "http://@site/echo"],
  ["compressed", "--compressed", "http://@site/text.txt"],
  ["compressed, as sent", "-H", "Accept-Encoding: gzip", "http://@site/text.txt"],
  ["range", "-r", "100-1999", "http://@site/text.txt"],
  ["range of the end", "-r", "-5", "http://@site/text.txt"],
  ["range beyond the end", "-r", "999999999-", "http://@site/text.txt"],
  ["not modified", "-H", "If-None-Match: *", "http://@site/text.txt"],
  ["modified since", "-z", "Thu, 01 Jan 2099 00:00:00 GMT", "http://@site/text.txt"],
  ["large download", "http://@site/large.bin"],
  ["large download, slowly read", "--limit-rate", "24M", "http://@site/large.bin"],
  ["PUT of a large file", "-T", "@large", "http://@site/dav/put.bin"],
  ["what was put", "http://@site/dav/put.bin"],
  [
    "PUT with 100-continue",
    "-H",
    "Expect: 100-continue",
    "-T",
    "@large",
    "http://@site/dav/expect.bin",
  ],
  ["what was put after 100", "http://@site/dav/expect.bin"],
  [
    "chunked PUT",
    "-H",
    "Transfer-Encoding: chunked",
    "-T",
    "@large",
    "http://@site/dav/chunked.bin",
  ],
  ["what was put in chunks", "http://@site/dav/chunked.bin"],
  [
    "POST with 100-continue",
    "-H",
    "Expect: 100-continue",
    "--data-binary",
    "@@large",
    "http://@site/post/a",
  ],
  ["POST of a small body", "--data-binary", "@@text", "http://@site/post/b"],
  ["POST of a form", "-d", "a=1&b=2", "http://@site/echo"],
  ["POST of nothing", "-d", "", "http://@site/echo"],
  ["body over the server's limit", "--data-binary", "@@large", "http://@site/limited"],
  ["MKCOL", "-X", "MKCOL", "http://@site/dav/folder/"],
  ["COPY", "-X", "COPY", "-H", "Destination: /dav/folder/copy", "http://@site/dav/put.bin"],
  ["MOVE", "-X", "MOVE", "-H", "Destination: /dav/moved", "http://@site/dav/folder/copy"],
  ["DELETE", "-X", "DELETE", "http://@site/dav/moved"],
  ["DELETE of nothing", "-X", "DELETE", "http://@site/dav/moved"],
  ["PROPFIND with a body", "-X", "PROPFIND", "-d", "<propfind/>", "http://@site/dav/"],
  ["OPTIONS of the server", "-X", "OPTIONS", "--request-target", "*", "http://@site/"],
  ["TRACE", "-X", "TRACE", "http://@site/"],
  ["unknown method", "-X", "BREW", "http://@site/"],
  ["204", "http://@site/empty"],
  ["404", "http://@site/missing"],
  ["404 to HEAD", "-I", "http://@site/missing"],
  ["redirect followed", "-L", "http://@site/redirect"],
  ["server closes", "http://@site/close"],
  ["server cuts its answer", "http://@site/cut"],
  ["absolute request target", "--request-target", "http://@site/echo", "http://@site/"],
  ["path as it is", "--path-as-is", "http://@site/./../echo"],
  ["other host", "-H", "Host: other.example:81", "http://@site/echo"],
  ["empty field", "-H", "X-A;", "http://@site/echo"],
  ["long field", "-H", `X-A: ${"a".repeat(7_000)}`, "http://@site/echo"],
  ["field too long for the server", "-H", `X-A: ${"a".repeat(9_000)}`, "http://@site/echo"],
  ["field that is not ASCII", "-H", "X-A: gr\u00fc\u00df", "http://@site/echo"],
  ["as a forward proxy", "-x", "http://@site:80", "http://elsewhere.example/echo"],
  [
    "h2c by prior knowledge",
    "--http2-prior-knowledge",
    "http://@site:8082/echo",
    "http://@site:8082/text.txt",
  ],
  ["h2c upload", "--http2-prior-knowledge", "-T", "@large", "http://@site:8082/dav/h2.bin"],
  ["h2c download", "--http2-prior-knowledge", "http://@site:8082/dav/h2.bin"],
];

/** A shell script that runs all cases; results go to `directory`, one `N.head`, `N.body` and `N.end` each. */
export function curlScript(directory: string, site: string): string {
  return CURL_CASES.map(([, ...words], index) => {
    const at = join(directory, String(index));
    const command = ["curl", "-sS", "--max-time", "20", "-D", `${at}.head`, "-w", SEEN, ...words]
      .map((word) => place(word, directory, site))
      .map((word) => `'${word}'`);
    return `${command.join(" ")} > '${at}.body' 2> '${at}.end'; echo "exit $?" >> '${at}.end'`;
  }).join("\n");
}

/** What curl says itself, per URL. */
const SEEN =
  "%{stderr}%{http_code} HTTP/%{http_version} connects=%{num_connects} redirects=%{num_redirects} down=%{size_download} up=%{size_upload}\\n";

function place(word: string, directory: string, site: string): string {
  return word
    .replace(/^(@?)@(large|text)$/, (_, at: string, name: string) => `${at}${directory}/${name}`)
    .replace("@site", site);
}

/** What one case gave, as text that is the same when the application saw the same. */
export async function outcome(directory: string, index: number): Promise<string> {
  const at = join(directory, String(index));
  const [head, body, end] = await Promise.all(
    ["head", "body", "end"].map((kind) => readFile(`${at}.${kind}`)),
  );
  const bytes = isHead(CURL_CASES[index]) ? sameInEveryRun(String(body)).join("\n") : (body ?? "");
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const size = `body ${bytes.length} ${sha256}`;
  return [...sameInEveryRun(String(head)), size, String(end)].join("\n");
}

/** To HEAD curl prints the head where the body would be. */
function isHead(one: CurlCase | undefined): boolean {
  return one?.includes("-I") ?? false;
}

/** Without what is the clock's (Date) or each hop's (Connection, Keep-Alive; RFC 9110 section 7.6.1). */
function sameInEveryRun(head: string): readonly string[] {
  return head.split("\r\n").filter((line) => !/^(?:date|connection|keep-alive):/i.test(line));
}

/** nginx's configuration: everything it writes is in `directory` or in the pod's own /run. */
export function nginxConfig(directory: string): string {
  return `
user root;
worker_processes 1;
error_log ${directory}/error.log;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  include /etc/nginx/mime.types;
  client_body_temp_path /run/client-body;
  proxy_temp_path /run/proxy;
  fastcgi_temp_path /run/fastcgi;
  uwsgi_temp_path /run/uwsgi;
  scgi_temp_path /run/scgi;
  client_max_body_size 100m;
  gzip on;
  gzip_types text/plain;
  server {
    listen 80; listen [::]:80;
    listen 8082 http2; listen [::]:8082 http2;
    root ${directory}/www;
    location = /echo {
      default_type text/plain;
      return 200 "$request_method $request_uri $host $remote_addr te=$http_te a=$http_x_a expect=$http_expect length=$content_length $server_protocol\\n";
    }
    location = /status { stub_status; }
    location /dav/ {
      dav_methods PUT DELETE MKCOL COPY MOVE;
      # What a file is called by its time of writing differs between runs.
      etag off;
      add_header Last-Modified "";
    }
    location /post/ { proxy_method PUT; proxy_http_version 1.1; proxy_pass http://127.0.0.1/dav/; }
    location = /limited { client_max_body_size 1k; proxy_pass http://127.0.0.1/dav/; }
    location = /redirect { return 302 /echo; }
    location = /empty { return 204; }
    location = /close { keepalive_timeout 0; return 200 "closing\\n"; }
    location = /cut { proxy_pass http://127.0.0.1:8083; }
  }
}
`;
}
