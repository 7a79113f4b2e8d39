import type { HostView } from 'provision'

/** The root configuration: ours whole, so that what a package drops beside it takes no part. */
export const rootConfig = `# Written by provision.
user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;

events {
  worker_connections 1024;
}

http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;

  server_tokens off;
  sendfile on;
  tcp_nopush on;
  client_header_timeout 10s;
  client_body_timeout 10s;
  send_timeout 30s;
  keepalive_timeout 75s;
  client_max_body_size 1m;

  log_format timed '$remote_addr $host "$request" $status $body_bytes_sent $request_time "$http_referer" "$http_user_agent"';
  access_log /var/log/nginx/access.log timed;

  include /etc/nginx/provision/*.conf;
}
`

export interface Site {
  readonly host: string
  readonly port: number
  readonly ipv6: boolean
  readonly root: string
  readonly balancers: readonly HostView[]
}

/** One site of files that answers the balancers only, and logs the visitor whom they name. */
export const siteConfig = ({ host, port, ipv6, root, balancers }: Site): string => {
  const addresses = balancers.flatMap((balancer) => balancer.addresses)
  return `# Written by provision.

# The real address of the peer: what real_ip put in its place is the visitor.
geo $realip_remote_addr $welcome {
  default 0;
  127.0.0.0/8 1;
  ::1 1;
${addresses.map((address) => `  ${address} 1;\n`).join('')}}

server {
  listen ${port} default_server;
${ipv6 ? `  listen [::]:${port} default_server;\n` : ''}  server_name _;
  root ${root};
  index index.html;
  absolute_redirect off;

${addresses.map((address) => `  set_real_ip_from ${address};\n`).join('')}  real_ip_header X-Forwarded-For;

  add_header X-Served-By ${host} always;

  if ($welcome = 0) {
    return 403;
  }

  location = /healthz {
    access_log off;
    default_type text/plain;
    return 200 "ok\\n";
  }

  location / {
    try_files $uri $uri/ =404;
  }
}
`
}
